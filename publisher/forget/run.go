package forget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher"
)

// Run forgets one person. Make it with New, call Find, and if it is to be done,
// Erase. One goroutine may use it.
type Run struct {
	streams streams
	dir     *DataDir // nil if there is none on this host
	person  *Person
	found   Found
}

// Found is what of the person is where.
type Found struct {
	Counts
	streams []found
}

// Counts are numbers of messages.
type Counts struct {
	Streams  map[string]int64 `json:"streams"` // by name; those with none are left out
	Journal  int64            `json:"journal"`
	SetAside int64            `json:"set_aside"`
	Damaged  int64            `json:"damaged"` // copies of damaged bytes of the journal
	Waiting  int64            `json:"waiting"` // refused bodies in the memory of the bridge, until NATS takes them
}

// Total is their sum.
func (c Counts) Total() int64 {
	n := c.Journal + c.SetAside + c.Damaged + c.Waiting
	for _, s := range c.Streams {
		n += s
	}
	return n
}

// New returns a run over the bridge's own streams, the other ones that are named,
// and a data directory, which may be nil.
func New(c *publisher.Client, d *DataDir, p *Person, more ...string) *Run {
	cfg := c.Config()
	s := streams{client: c, names: []string{cfg.Stream, cfg.Stream + "_QUARANTINE", cfg.Stream + "_REPLAY"}, must: map[string]bool{}}
	for _, name := range more {
		if s.must[name] = true; !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
	}
	return &Run{streams: s, dir: d, person: p}
}

// Find looks for the person's messages everywhere, again and again until nothing
// more is learned of the person. Step is called for each message that is read.
func (r *Run) Find(ctx context.Context, step func()) (Counts, error) {
	for {
		before := r.person.Version()
		f, err := r.find(ctx, step)
		if err != nil {
			return f.Counts, err
		}
		if r.found = f; r.person.Version() == before {
			return f.Counts, nil
		}
	}
}

func (r *Run) find(ctx context.Context, step func()) (f Found, err error) {
	if f.streams, err = r.streams.find(ctx, r.person, step); err != nil {
		return f, err
	}
	f.Streams = map[string]int64{}
	for _, s := range f.streams {
		f.Streams[s.name] = s.count()
	}
	if r.dir == nil {
		return f, nil
	}
	places := map[string]*int64{publisher.PlaceJournal: &f.Journal, publisher.PlaceSetAside: &f.SetAside, publisher.PlaceDamaged: &f.Damaged}
	err = r.dir.Each(ctx, func(k publisher.Kept) error {
		step()
		if r.person.Match(k.Header, k.Data) != No {
			*places[k.Place]++
		}
		return nil
	})
	if err == nil {
		f.Waiting, err = r.dir.Waiting(ctx, r.person)
	}
	return f, err
}

// Denied is an error if messages of the person are in a stream from which nothing
// can be deleted.
func (r *Run) Denied() error {
	var errs []error
	for _, f := range r.found.streams {
		if why := f.denied(); why != "" {
			errs = append(errs, fmt.Errorf("stream %s holds %d of the messages and lets nothing be deleted (%s), which cannot be taken back: "+
				"copy what is to stay into another stream and remove this one, then run this again; nothing was deleted anywhere", f.name, f.count(), why))
		}
	}
	return errors.Join(errs...)
}

// behind is how long a replica may be behind its leader.
const behind = 300 * time.Millisecond

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// mostPasses bounds how often Erase begins again because more came meanwhile.
const mostPasses = 5

// Erase deletes what Find found, and what comes meanwhile, and returns how many
// messages that were and what is left in the end. It waits so long for the journal to
// be published. After an error, or a crash, it can be run again: it leaves for the
// end what is needed to know the person.
func (r *Run) Erase(ctx context.Context, wait time.Duration, step func()) (erased, left Counts, err error) {
	erased.Streams = map[string]int64{}
	if err := r.Denied(); err != nil {
		return erased, r.found.Counts, err
	}
	for range mostPasses {
		before := erased.Total()
		pending, err := r.pass(ctx, wait, &erased, step)
		if err != nil {
			return erased, r.found.Counts, err
		}
		left, err = r.Find(ctx, func() {})
		if err != nil || left.Total() == 0 || pending {
			return erased, left, err
		}
		if erased.Total() == before {
			// A replica may show for a moment what its leader has deleted.
			if err := pause(ctx, behind); err != nil {
				return erased, left, err
			}
		}
	}
	return erased, left, nil
}

// pass deletes what was found. Of some messages only the session tells whose they
// are, and the session is known from others with the number: so these go last, in
// every place, and not before what is pending. Then pass returns true.
func (r *Run) pass(ctx context.Context, wait time.Duration, erased *Counts, step func()) (bool, error) {
	known := r.person.Version()
	for _, onlySession := range []bool{true, false} {
		pending, err := r.eraseDir(ctx, onlySession, wait, erased)
		if err != nil {
			return false, err
		}
		for _, f := range r.found.streams {
			seqs := f.only
			if !onlySession {
				seqs = f.byNumber
			}
			n, err := f.remove(ctx, seqs, step)
			erased.Streams[f.name] += n
			if err != nil {
				return false, err
			}
		}
		if pending > 0 {
			return true, nil
		}
		if r.person.Version() != known {
			return false, nil // what more is known is looked for first
		}
	}
	return false, nil
}

// eraseDir returns how many messages have to stay until they are published.
func (r *Run) eraseDir(ctx context.Context, onlySession bool, wait time.Duration, erased *Counts) (int64, error) {
	if r.dir == nil {
		return 0, nil
	}
	n, err := r.dir.Erase(ctx, r.person, onlySession, wait)
	erased.Journal += n.Journal
	erased.SetAside += n.SetAside
	erased.Damaged += n.Damaged
	return n.Pending + n.Waiting, err
}
