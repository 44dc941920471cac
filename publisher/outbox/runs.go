package outbox

import "github.com/treble-bridge/treble-bridge/publisher/journal"

// runs are numbers of events by entry, in order. Entries that follow each other
// and have the same number take one element.
type runs []run

type run struct {
	first  journal.Seq
	count  int64
	events int64 // of each
}

func (r *runs) push(seq journal.Seq, events int64) {
	if n := len(*r); n > 0 {
		if last := &(*r)[n-1]; last.events == events && last.first+journal.Seq(last.count) == seq {
			last.count++
			return
		}
	}
	*r = append(*r, run{first: seq, count: 1, events: events})
}

// take removes the entries up to upTo, and returns how many they were and how
// many events they had.
func (r *runs) take(upTo journal.Seq) (entries, events int64) {
	for len(*r) > 0 && (*r)[0].first <= upTo {
		head := &(*r)[0]
		n := min(head.count, int64(upTo-head.first)+1)
		entries += n
		events += n * head.events
		head.first += journal.Seq(n)
		if head.count -= n; head.count == 0 {
			*r = (*r)[1:]
		}
	}
	return entries, events
}
