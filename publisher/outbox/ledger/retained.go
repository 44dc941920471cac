package ledger

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// NoSequence stands for the sequence of a message that is not looked for in the
// stream: it was set aside, or was there before, or was removed on purpose.
const NoSequence = 0

// Retained are the settled entries that can heal what JetStream loses, in order,
// and where their messages are in the stream. Entries of one message each that
// follow each other in the journal and in the stream take one element.
type Retained struct {
	spans []Span
	count int64 // of entries
}

// Span is one or more entries that follow each other.
type Span struct {
	First journal.Seq
	count int64
	seq   uint64        // of the first one's message, if seqs is nil; each has one
	seqs  []uint64      // of the messages of the one entry
	since time.Duration // of the retain clock, when the first was settled
	at    time.Duration // and the last
}

// spanTime bounds how much older the first entry of a span is than its last, for
// they are released together.
const spanTime = time.Second

// End returns the entry behind the last of the span.
func (s Span) End() journal.Seq { return s.First + journal.Seq(s.count) }

// Sequences returns the sequences of one entry of the span.
func (s Span) Sequences(entry journal.Seq) []uint64 {
	if s.seqs != nil {
		return s.seqs
	}
	return []uint64{s.seq + uint64(entry-s.First)}
}

// plain reports whether seqs can be part of a longer span.
func plain(seqs []uint64) bool {
	return len(seqs) == 1 && seqs[0] != NoSequence
}

func newSpan(entry journal.Seq, seqs []uint64, at time.Duration) Span {
	s := Span{First: entry, count: 1, since: at, at: at}
	if plain(seqs) {
		s.seq = seqs[0]
	} else {
		s.seqs = slices.Clone(seqs) // it is kept for long, and seqs may be part of an entry
	}
	return s
}

// push adds an entry behind the others.
func (r *Retained) push(entry journal.Seq, seqs []uint64, at time.Duration) {
	r.count++
	if n := len(r.spans); n > 0 && plain(seqs) {
		last := &r.spans[n-1]
		if last.seqs == nil && last.End() == entry && last.seq+uint64(last.count) == seqs[0] && at-last.since < spanTime {
			last.count++
			last.at = at
			return
		}
	}
	r.spans = append(r.spans, newSpan(entry, seqs, at))
}

// find returns the index of the span that holds entry.
func (r *Retained) find(entry journal.Seq) (int, bool) {
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].End() > entry })
	return i, i < len(r.spans) && r.spans[i].First <= entry
}

// Get returns the sequences of an entry; nil if it is not retained.
func (r *Retained) Get(entry journal.Seq) []uint64 {
	if i, ok := r.find(entry); ok {
		return r.spans[i].Sequences(entry)
	}
	return nil
}

// at returns when an entry was settled, or the last of its span; 0 if it is not retained.
func (r *Retained) at(entry journal.Seq) time.Duration {
	if i, ok := r.find(entry); ok {
		return r.spans[i].at
	}
	return 0
}

// set gives an entry other sequences. It reports false if the entry is not retained.
func (r *Retained) set(entry journal.Seq, seqs []uint64, at time.Duration) bool {
	i, ok := r.find(entry)
	if !ok {
		return false
	}
	old := r.spans[i]
	parts := make([]Span, 0, 3)
	if n := int64(entry - old.First); n > 0 {
		parts = append(parts, Span{First: old.First, count: n, seq: old.seq, since: old.since, at: old.at})
	}
	parts = append(parts, newSpan(entry, seqs, at))
	if n := int64(old.End() - entry - 1); n > 0 {
		parts = append(parts, Span{First: entry + 1, count: n, seq: old.seq + uint64(entry-old.First) + 1, since: old.since, at: old.at})
	}
	r.spans = slices.Replace(r.spans, i, i+1, parts...)
	return true
}

// drop forgets the entries up to upTo.
func (r *Retained) drop(upTo journal.Seq) {
	for len(r.spans) > 0 && r.spans[0].First <= upTo {
		s := &r.spans[0]
		n := min(s.count, int64(upTo-s.First)+1)
		r.count -= n
		if s.count -= n; s.count == 0 {
			r.spans[0] = Span{}
			r.spans = r.spans[1:] // append moves what is left, one day
			continue
		}
		s.First += journal.Seq(n)
		s.seq += uint64(n)
	}
}

// settledBefore returns the last entry of those at the front that were settled before
// a time of the clock; 0 if there are none.
func (r *Retained) settledBefore(t time.Duration) (upTo journal.Seq) {
	for _, s := range r.spans {
		if s.at >= t {
			break
		}
		upTo = s.End() - 1
	}
	return upTo
}

// restart makes all entries as young as the given time.
func (r *Retained) restart(now time.Duration) {
	for i := range r.spans {
		r.spans[i].since, r.spans[i].at = now, now
	}
}

// Lowest returns the lowest sequence of a message that is looked for in the stream.
func (r *Retained) Lowest() (lowest uint64, any bool) {
	lowest = math.MaxUint64
	for _, s := range r.spans {
		lowest = min(lowest, s.low())
	}
	return lowest, lowest != math.MaxUint64
}

// Highest returns the highest sequence of a message that is looked for; 0 if there is
// none.
func (r *Retained) Highest() (highest uint64) {
	for _, s := range r.spans {
		if s.seqs == nil {
			highest = max(highest, s.seq+uint64(s.count)-1)
		} else {
			highest = max(highest, highestOf(s.seqs))
		}
	}
	return highest
}

// highestOf returns the highest of the sequences, NoSequence if there is no other.
func highestOf(seqs []uint64) (highest uint64) {
	for _, seq := range seqs {
		highest = max(highest, seq)
	}
	return highest
}

// low returns the lowest sequence of a message that is looked for, math.MaxUint64 if there is none.
func (s Span) low() uint64 {
	if s.seqs == nil {
		return s.seq
	}
	low := uint64(math.MaxUint64)
	for _, seq := range s.seqs {
		if seq != NoSequence {
			low = min(low, seq)
		}
	}
	return low
}

// BySequence returns the spans in the order of their lowest sequences.
func (r *Retained) BySequence() []Span {
	spans := slices.Clone(r.spans)
	slices.SortStableFunc(spans, func(a, b Span) int { return cmp.Compare(a.low(), b.low()) })
	return spans
}

// clone returns a copy that later changes do not touch.
func (r *Retained) clone() Retained {
	return Retained{spans: slices.Clone(r.spans), count: r.count}
}
