package forget

import (
	"context"
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

// Total is their sum.
func (c Counts) Total() int64 { return c.Deletable() + c.Journal }

// Deletable is how many are where a run can delete them.
func (c Counts) Deletable() int64 {
	n := c.SetAside + c.Damaged
	for _, s := range c.Streams {
		n += s
	}
	return n
}

// Copies is how many in the journals are published, and go by themselves.
func (c Counts) Copies() int64 { return c.Journal - c.Pending }

// location is where the stream of a journal is taken to hold a message.
type location struct {
	refused  bool // of the journal of refused bodies
	sequence uint64
}

// findings are what of the person is where.
type findings struct {
	Counts
	streams []found
	files   []string // of SetAside and Damaged
	// healing are the copies in the journals that would heal a loss, by what tells that
	// they are the person's.
	healing map[Match][]location
}

// Left names what the last look found and can be deleted: by stream the sequences, and
// files of the data directory.
func (r *Run) Left() (streams map[string][]uint64, files []string) {
	streams = map[string][]uint64{}
	for _, f := range r.found.streams {
		all := slices.Concat(f.of[BySession], f.of[ByNumber])
		slices.Sort(all)
		streams[f.name] = all
	}
	return streams, r.found.files
}

// Find looks for the person's messages everywhere, again and again until nothing
// more is learned of the person. Step is called for each message that is read.
func (r *Run) Find(ctx context.Context, step func()) (Counts, error) {
	for {
		before := r.person.Version()
		f := findings{Counts: Counts{Streams: map[string]int64{}}}
		var err error
		// The streams first: what is published meanwhile is in the journal all the same.
		if f.streams, err = r.streams.find(ctx, r.person, step); err != nil {
			return f.Counts, err
		}
		for _, s := range f.streams {
			f.Streams[s.name] = s.count()
		}
		if err := r.readDir(ctx, &f, step); err != nil {
			return f.Counts, err
		}
		if r.found = f; r.person.Version() == before {
			return f.Counts, nil
		}
	}
}

// readDir counts what is in the data directory.
func (r *Run) readDir(ctx context.Context, f *findings, step func()) error {
	f.Journal, f.Pending, f.SetAside, f.Damaged = 0, 0, 0, 0
	f.healing, f.files = map[Match][]location{}, nil
	if r.dir == nil {
		return nil
	}
	return erase.Each(ctx, r.dir.path, r.dir.keys, func(k erase.Message) error {
		step()
		m := r.person.Match(k.Header, k.Data)
		switch {
		case m == No:
		case k.Place == erase.PlaceSetAside:
			f.SetAside++
			f.files = append(f.files, k.File)
		case k.Place == erase.PlaceDamaged:
			f.Damaged++
			f.files = append(f.files, k.File)
		default:
			f.Journal++
			if k.Pending {
				f.Pending++
			} else if k.Sequence > 0 {
				f.healing[m] = append(f.healing[m], location{k.Refused, k.Sequence})
			}
		}
		return nil
	})
}
