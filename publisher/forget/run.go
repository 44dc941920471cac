package forget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/erase"
)

// Run forgets one person. Make it with New, call Find, and if it is to be done,
// Erase. One goroutine may use it.
type Run struct {
	streams streamSet
	dir     *DataDir // nil if there is none on this host
	person  *Person
	found   findings
	scope   *scope // of the data directory; nil: it was not read yet
	limited bool   // all that was accepted before is within the limits of the streams
}

// New returns a run over the bridge's own streams, the other ones that are named,
// and a data directory, which may be nil.
func New(c *client.Client, d *DataDir, p *Person, more ...string) *Run {
	events := c.Events()
	s := streamSet{client: c, names: []string{string(events), events.Quarantine(), events.Replay()}, must: map[string]bool{}, limits: map[string]uint64{}}
	for _, name := range more {
		if s.must[name] = true; !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
	}
	return &Run{streams: s, dir: d, person: p}
}

// Denied is an error if messages of the person are in a stream from which nothing
// can be deleted.
func (r *Run) Denied() error {
	var errs []error
	for _, f := range r.found.streams {
		if why := f.denied(); why != "" && f.count() > 0 {
			errs = append(errs, fmt.Errorf("stream %s holds %d of the messages and lets nothing be deleted (%s), which cannot be taken back: "+
				"copy what is to stay into another stream and remove this one, then run this again; nothing was deleted anywhere", f.name, f.count(), why))
		}
	}
	return errors.Join(errs...)
}

// Idle reports whether there is nothing to delete and to note: what Find found are, at
// most, copies in the journals that go by themselves.
func (r *Run) Idle() bool {
	return r.found.Deletable() == 0 && r.found.Pending == 0 && r.Healing() == 0
}

// Healing returns the number of copies in the journals that would be published again if
// JetStream lost their messages. After Erase there are none, unless the bridge
// publishes to other streams than those of the run.
func (r *Run) Healing() (n int) {
	for _, copies := range r.found.healing {
		n += len(copies)
	}
	return n
}

// replicaLag is the time by which a replica may lag its leader.
const replicaLag = 300 * time.Millisecond

// EraseOptions say for what Erase waits.
type EraseOptions struct {
	Pending time.Duration // how long for what is not published yet
	Copies  bool          // for the copies in the journals to be gone, as long as they may stay there
	Step    func()        // called for each message that is deleted; nil: nobody is told
	// Waits is called when nothing is to be done but to wait for copies; nil: nobody is told.
	Waits func(copies int64, until time.Time)
}

// mostPasses bounds how often Erase begins again because more is known, or something is
// there again.
const mostPasses = 5

// Erase deletes what Find found, and what was accepted before that and not published yet, and
// returns how many messages that were. What comes later is left. Then it reads
// everything again, also after an error, and returns what is left, also of what came later
// (see Left too), nil if that cannot be read. Of the journals, it counts
// those that went meanwhile. After an error, or a crash, it can be run again: it leaves
// for the end what is needed to know the person.
func (r *Run) Erase(ctx context.Context, o EraseOptions) (erased Counts, left *Counts, err error) {
	if o.Step == nil {
		o.Step = func() {}
	}
	if o.Waits == nil {
		o.Waits = func(int64, time.Time) {}
	}
	erased.Streams = map[string]int64{}
	if err := r.Denied(); err != nil {
		kept := r.Kept()
		return erased, &kept, err
	}
	inJournal := r.found.Journal
	err = r.erase(ctx, o, &erased)
	for until := r.copiesUntil(); err == nil && o.Copies && r.found.Pending == 0 && r.found.Journal > 0; {
		o.Waits(r.found.Journal, until)
		var gone bool
		if gone, err = r.awaitDir(ctx, until, func(c Counts) bool { return c.Journal == 0 }); err != nil {
			break
		}
		// What JetStream lost before it was noted, was there again in between.
		if _, err = r.Find(ctx, func() {}); err == nil && !r.Idle() {
			err = r.erase(ctx, o, &erased)
		}
		if !gone {
			break
		}
	}
	if err != nil {
		if _, findErr := r.Find(ctx, func() {}); findErr != nil {
			return erased, nil, err
		}
	}
	erased.Journal = max(0, inJournal-r.found.Journal)
	kept := r.Kept()
	return erased, &kept, err
}

// erase makes passes until one leaves nothing that can be deleted now.
func (r *Run) erase(ctx context.Context, o EraseOptions, erased *Counts) error {
	for range mostPasses {
		if r.found.Pending > 0 {
			published, err := r.awaitDir(ctx, time.Now().Add(o.Pending), func(c Counts) bool { return c.Pending == 0 })
			if err == nil && published {
				_, err = r.Find(ctx, func() {}) // it is in a stream now
			}
			if err != nil {
				return err
			}
		}
		before := erased.Total()
		if err := r.pass(ctx, o, erased); err != nil {
			return err
		}
		if _, err := r.Find(ctx, func() {}); err != nil || r.Idle() {
			return err
		}
		switch {
		case r.found.Pending > 0:
			return nil
		case erased.Total() == before:
			// A replica may show for a moment what its leader has deleted.
			if err := client.Sleep(ctx, replicaLag); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass deletes what was found, and has it noted before. Of some messages only the
// session tells whose they are, and the session is known from others with the number:
// so these go last, in every place, and not before what is pending.
func (r *Run) pass(ctx context.Context, o EraseOptions, erased *Counts) error {
	known := r.person.Version()
	for _, m := range []Match{BySession, ByNumber} {
		if m == ByNumber && r.found.Pending > 0 || r.person.Version() != known {
			return nil // what more is known is looked for first
		}
		if r.dir != nil {
			if err := r.dir.note(ctx, r.found.healing[m]); err != nil {
				return err // nothing may be deleted that would be healed
			}
		}
		failed := r.eraseFiles(ctx, m, erased)
		for _, f := range r.found.streams {
			if f.count() == 0 {
				continue // what is in it came later
			}
			n, err := f.remove(ctx, f.of[m], o.Step)
			erased.Streams[f.name] += n
			failed = errors.Join(failed, err)
		}
		if failed != nil {
			return failed // those with the number tell whose the others are
		}
	}
	return nil
}

// eraseFiles erases the files of the data directory.
func (r *Run) eraseFiles(ctx context.Context, m Match, erased *Counts) error {
	if r.dir == nil {
		return nil
	}
	setAside, damaged, err := erase.Shred(ctx, r.dir.path, r.dir.keys, func(k erase.Message) bool {
		found := r.matchFile(k)
		return found == m || found == BySession
	})
	erased.SetAside += setAside
	erased.Damaged += damaged
	return err
}

// copiesUntil returns the time at which the copies in the journals are gone, if a bridge runs.
func (r *Run) copiesUntil() time.Time {
	if r.dir == nil {
		return time.Time{}
	}
	return time.Now().Add(r.dir.CopyStays())
}

// The pauses between two looks into the data directory.
const (
	shortLook = 100 * time.Millisecond
	longLook  = 5 * time.Second
)

// awaitDir looks into the data directory until what is there is right, the time is over,
// or no bridge runs on it that could change it. It reports whether it is right.
func (r *Run) awaitDir(ctx context.Context, until time.Time, right func(Counts) bool) (bool, error) {
	f := r.found
	for wait := shortLook; !right(f.Counts); {
		left := time.Until(until)
		if r.dir == nil || left <= 0 || !r.dir.Running() {
			return false, nil
		}
		if err := client.Sleep(ctx, min(wait, left)); err != nil {
			return false, err
		}
		began := time.Now()
		if err := r.readDir(ctx, &f, func() {}); err != nil {
			return false, err
		}
		r.found.beyond = r.found.beyond || f.beyond
		// A large journal is not read all the time.
		wait = min(max(wait*3/2, 10*time.Since(began)), longLook)
	}
	return true, nil
}
