package outbox

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// nowhere stands for the sequence of a message that is not looked for in the
// stream: it was set aside, or was there before, or was removed on purpose.
const nowhere = 0

// retained are the settled entries that can heal what JetStream loses, in order,
// and where their messages are in the stream. Entries of one message each that
// follow each other in the journal and in the stream take one element.
type retained struct {
	spans []span
	count int64 // of entries
}

// span is one or more entries that follow each other.
type span struct {
	first journal.Seq
	count int64
	seq   uint64        // of the first one's message, if seqs is nil; each has one
	seqs  []uint64      // of the messages of the one entry
	since time.Duration // of the retain clock, when the first was settled
	at    time.Duration // and the last
}

// spanTime bounds how much older the first entry of a span is than its last, for
// they are released together.
const spanTime = time.Second

func (s span) end() journal.Seq { return s.first + journal.Seq(s.count) }

// of returns the sequences of one entry of the span.
func (s span) of(entry journal.Seq) []uint64 {
	if s.seqs != nil {
		return s.seqs
	}
	return []uint64{s.seq + uint64(entry-s.first)}
}

// plain reports whether seqs can be part of a longer span.
func plain(seqs []uint64) bool {
	return len(seqs) == 1 && seqs[0] != nowhere
}

func newSpan(entry journal.Seq, seqs []uint64, at time.Duration) span {
	s := span{first: entry, count: 1, since: at, at: at}
	if plain(seqs) {
		s.seq = seqs[0]
	} else {
		s.seqs = slices.Clone(seqs) // it is kept for long, and seqs may be part of an entry
	}
	return s
}

// push adds an entry behind the others.
func (r *retained) push(entry journal.Seq, seqs []uint64, at time.Duration) {
	r.count++
	if n := len(r.spans); n > 0 && plain(seqs) {
		last := &r.spans[n-1]
		if last.seqs == nil && last.end() == entry && last.seq+uint64(last.count) == seqs[0] && at-last.since < spanTime {
			last.count++
			last.at = at
			return
		}
	}
	r.spans = append(r.spans, newSpan(entry, seqs, at))
}

// find returns the index of the span that holds entry.
func (r *retained) find(entry journal.Seq) (int, bool) {
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].end() > entry })
	return i, i < len(r.spans) && r.spans[i].first <= entry
}

// get returns the sequences of an entry; nil if it is not retained.
func (r *retained) get(entry journal.Seq) []uint64 {
	if i, ok := r.find(entry); ok {
		return r.spans[i].of(entry)
	}
	return nil
}

// at returns when an entry was settled, or the last of its span; 0 if it is not retained.
func (r *retained) at(entry journal.Seq) time.Duration {
	if i, ok := r.find(entry); ok {
		return r.spans[i].at
	}
	return 0
}

// set gives an entry other sequences. It reports false if the entry is not retained.
func (r *retained) set(entry journal.Seq, seqs []uint64, at time.Duration) bool {
	i, ok := r.find(entry)
	if !ok {
		return false
	}
	old := r.spans[i]
	parts := make([]span, 0, 3)
	if n := int64(entry - old.first); n > 0 {
		parts = append(parts, span{first: old.first, count: n, seq: old.seq, since: old.since, at: old.at})
	}
	parts = append(parts, newSpan(entry, seqs, at))
	if n := int64(old.end() - entry - 1); n > 0 {
		parts = append(parts, span{first: entry + 1, count: n, seq: old.seq + uint64(entry-old.first) + 1, since: old.since, at: old.at})
	}
	r.spans = slices.Replace(r.spans, i, i+1, parts...)
	return true
}

// drop forgets the entries up to upTo.
func (r *retained) drop(upTo journal.Seq) {
	for len(r.spans) > 0 && r.spans[0].first <= upTo {
		s := &r.spans[0]
		n := min(s.count, int64(upTo-s.first)+1)
		r.count -= n
		if s.count -= n; s.count == 0 {
			r.spans[0] = span{}
			r.spans = r.spans[1:] // append moves what is left, one day
			continue
		}
		s.first += journal.Seq(n)
		s.seq += uint64(n)
	}
}

// settledBefore returns the last entry of those at the front that were settled before
// a time of the clock; 0 if there are none.
func (r *retained) settledBefore(t time.Duration) (upTo journal.Seq) {
	for _, s := range r.spans {
		if s.at >= t {
			break
		}
		upTo = s.end() - 1
	}
	return upTo
}

// restart makes all entries as young as the given time.
func (r *retained) restart(now time.Duration) {
	for i := range r.spans {
		r.spans[i].since, r.spans[i].at = now, now
	}
}

// lowest returns the lowest sequence of a message that is looked for in the stream.
func (r *retained) lowest() (lowest uint64, any bool) {
	lowest = math.MaxUint64
	for _, s := range r.spans {
		if s.seqs == nil {
			lowest = min(lowest, s.seq)
			continue
		}
		for _, seq := range s.seqs {
			if seq != nowhere {
				lowest = min(lowest, seq)
			}
		}
	}
	return lowest, lowest != math.MaxUint64
}

// highest returns the highest sequence of a message that is looked for; 0 if there is
// none.
func (r *retained) highest() (highest uint64) {
	for _, s := range r.spans {
		if s.seqs == nil {
			highest = max(highest, s.seq+uint64(s.count)-1)
			continue
		}
		for _, seq := range s.seqs {
			highest = max(highest, seq)
		}
	}
	return highest
}

// low is the lowest sequence of the span.
func (s span) low() uint64 {
	if s.seqs == nil {
		return s.seq
	}
	low := uint64(math.MaxUint64)
	for _, seq := range s.seqs {
		if seq != nowhere {
			low = min(low, seq)
		}
	}
	return low
}

// bySequence returns the spans in the order of their lowest sequences.
func (r *retained) bySequence() []span {
	spans := slices.Clone(r.spans)
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.low(), b.low()) })
	return spans
}

// clone returns a copy that later changes do not touch.
func (r *retained) clone() retained {
	return retained{spans: slices.Clone(r.spans), count: r.count}
}
