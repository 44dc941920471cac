package forget

import (
	"context"
	"maps"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/erase"
)

// Counts are numbers of messages.
type Counts struct {
	Streams  map[string]int64 `json:"streams"` // by name; those with none are left out
	Journal  int64            `json:"journal"` // in the journals of events and of refused bodies
	Pending  int64            `json:"pending"` // of Journal, those that are not published yet
	SetAside int64            `json:"set_aside"`
	Damaged  int64            `json:"damaged"` // copies of damaged bytes of the journals
}

// Total returns the sum of all counts.
func (c Counts) Total() int64 { return c.Deletable() + c.Journal }

// Deletable returns the number of messages that a run can delete.
func (c Counts) Deletable() int64 {
	n := c.SetAside + c.Damaged
	for _, s := range c.Streams {
		n += s
	}
	return n
}

// Copies returns the number of published messages in the journals. They expire there by themselves.
func (c Counts) Copies() int64 { return c.Journal - c.Pending }

// location is the stream and the sequence of a message in a journal.
type location struct {
	refused  bool // of the journal of refused bodies
	sequence uint64
}

// findings are the messages of the person, by place.
type findings struct {
	Counts
	streams []found
	files   []string // of SetAside and Damaged
	// healing are the copies in the journals that would heal a loss, by what tells that
	// they are the person's.
	healing map[Match][]location
	later   Counts // of what came when the search had begun, in streams and journals
	// unsettled: something that was accepted before is not published yet, the person's or not.
	// beyond: something of it is in a stream behind its limit.
	unsettled, beyond bool
}

// scope is the part of the data directory that a run covers: what was there at its first reading.
type scope struct {
	entries map[bool]uint64 // the last entry of each journal, by whether it is that of refused bodies
	files   map[string]bool
}

// Left names what the last look found and can be deleted, also what came later: by stream
// the sequences, and files of the data directory.
func (r *Run) Left() (streams map[string][]uint64, files []string) {
	streams = map[string][]uint64{}
	for _, f := range r.found.streams {
		all := slices.Concat(f.of[BySession], f.of[ByNumber], f.later)
		slices.Sort(all)
		streams[f.name] = all
	}
	return streams, r.found.files
}

// Kept returns all that the last search found, also what came when the search had begun: that is
// left to another run, or this one might not end while more come.
func (r *Run) Kept() Counts {
	all := r.found.Counts
	all.Streams = maps.Clone(all.Streams)
	for name, n := range r.found.later.Streams {
		all.Streams[name] += n
	}
	all.Journal += r.found.later.Journal
	all.Pending += r.found.later.Pending
	return all
}

// Find looks for the person's messages everywhere, again and again until nothing
// more is learned of the person. The first call sets the scope of the run: what was accepted
// before it is found, by this call or, if it was not published yet, by a later one.
// Step is called for each message that is read.
func (r *Run) Find(ctx context.Context, step func()) (Counts, error) {
	if !r.limited || r.found.beyond {
		clear(r.streams.limits) // what was pending, or was lost and published again, is behind them
	}
	for {
		before := r.person.Version()
		f := findings{Counts: Counts{Streams: map[string]int64{}}, later: Counts{Streams: map[string]int64{}}}
		var err error
		// The streams first: what is published meanwhile is in the journal all the same.
		if f.streams, err = r.streams.find(ctx, r.person, step); err != nil {
			return f.Counts, err
		}
		for _, s := range f.streams {
			if n := s.count(); n > 0 {
				f.Streams[s.name] = n
			}
			if n := int64(len(s.later)); n > 0 {
				f.later.Streams[s.name] = n
			}
		}
		if err := r.readDir(ctx, &f, step); err != nil {
			return f.Counts, err
		}
		r.found = f
		if !r.limited && !f.unsettled {
			r.limited = true
			if f.beyond { // it was published between the two looks
				clear(r.streams.limits)
				continue
			}
		}
		if r.person.Version() == before {
			return f.Counts, nil
		}
	}
}

// readDir counts what is in the data directory. The first time, all of it is in the scope.
func (r *Run) readDir(ctx context.Context, f *findings, step func()) error {
	f.Journal, f.Pending, f.SetAside, f.Damaged = 0, 0, 0, 0
	f.later.Journal, f.later.Pending = 0, 0
	f.healing, f.files = map[Match][]location{}, nil
	f.unsettled, f.beyond = false, false
	if r.dir == nil {
		return nil
	}
	first := scope{entries: map[bool]uint64{}, files: map[string]bool{}}
	err := erase.Each(ctx, r.dir.path, r.dir.keys, func(k erase.Message) error {
		step()
		if k.File != "" {
			first.files[k.File] = true
			r.countFile(f, k)
			return nil
		}
		first.entries[k.Refused] = max(first.entries[k.Refused], k.Entry)
		r.countEntry(f, k)
		return nil
	})
	if err == nil && r.scope == nil {
		r.scope = &first
	}
	return err
}

// countFile counts a file of the data directory. One that came later can be deleted too: to
// count it costs as much.
func (r *Run) countFile(f *findings, k erase.Message) {
	if r.matchFile(k) == No {
		return
	}
	if k.Place == erase.PlaceSetAside {
		f.SetAside++
	} else {
		f.Damaged++
	}
	f.files = append(f.files, k.File)
}

// matchFile is Match for a file of the data directory.
func (r *Run) matchFile(k erase.Message) Match {
	if r.scope != nil && !r.scope.files[k.File] {
		return r.person.MatchLater(k.Header, k.Data)
	}
	return r.person.Match(k.Header, k.Data)
}

// countEntry counts a message in a journal.
func (r *Run) countEntry(f *findings, k erase.Message) {
	if r.scope != nil && k.Entry > r.scope.entries[k.Refused] {
		if r.person.MatchLater(k.Header, k.Data) != No {
			f.later.Journal++
			if k.Pending {
				f.later.Pending++
			}
		}
		return
	}
	f.unsettled = f.unsettled || k.Pending
	at := location{k.Refused, k.Sequence}
	f.beyond = f.beyond || k.Sequence > r.streams.limits[r.dir.streamOf(at)]
	m := r.person.Match(k.Header, k.Data)
	if m == No {
		return
	}
	f.Journal++
	if k.Pending {
		f.Pending++
	} else if k.Sequence > 0 {
		f.healing[m] = append(f.healing[m], at)
	}
}
