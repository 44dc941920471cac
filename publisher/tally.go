package publisher

import (
	"encoding/json"
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// tally is the account of a journal, counted from its records. It is not the
// ledger, and does not ask it: Accepted is counted from the entries, one by one,
// and what became of them from the marks, so that the two can be held against
// each other. Only for entries whose segments are gone the checkpoints must be
// believed.
type tally struct {
	account  Totals      // Accepted counts the entries up to done
	done     journal.Seq // entries up to it are settled
	open     runs        // the entries behind done
	first    journal.Seq // the first entry that may be there; 0: nothing was read yet
	believed journal.Seq // what a checkpoint says reaches up to this entry
	unsure   bool        // entries are missing since the last checkpoint, or what was before the first record is
	retained int64       // settled entries that are still there

	entries, marks, checkpoints int64
	problems                    []string // records that cannot be
	moreProblems                int64    // beyond maxProblems
}

// maxProblems bounds a list that is for people.
const maxProblems = 100

func (t *tally) problem(format string, args ...any) {
	if len(t.problems) >= maxProblems {
		t.moreProblems++
		return
	}
	t.problems = append(t.problems, fmt.Sprintf(format, args...))
}

// add takes the next record.
func (t *tally) add(r journal.Record) {
	if t.first == 0 {
		t.first = r.Seq + 1
		if r.Type == journal.Entry {
			t.first = r.Seq
		}
		// Of a journal that is not young, the account begins with a checkpoint.
		t.unsure = t.first > 1 && r.Type != journal.Checkpoint
	}
	switch r.Type {
	case journal.Entry:
		t.entry(r)
	case journal.Mark:
		t.marks++
		var m mark
		if err := json.Unmarshal(r.Payload, &m); err != nil {
			t.problem("a mark behind entry %d cannot be read: %v", r.Seq, err)
			return
		}
		t.mark(r.Seq, m)
	case journal.Checkpoint:
		t.checkpoints++
		var s ledgerState
		if err := json.Unmarshal(r.Payload, &s); err != nil {
			t.problem("the checkpoint behind entry %d cannot be read: %v", r.Seq, err)
			return
		}
		t.checkpoint(r.Seq, s)
	}
}

func (t *tally) entry(r journal.Record) {
	t.entries++
	msgs, err := decodeEntry(r.Payload)
	if err != nil {
		t.problem("entry %d cannot be read: %v", r.Seq, err)
		return
	}
	if r.Seq <= t.done {
		t.problem("entry %d stands behind what says that it is settled", r.Seq)
		return
	}
	t.open.push(r.Seq, int64(len(msgs)))
}

func (t *tally) mark(behind journal.Seq, m mark) {
	switch {
	case m.Settled != nil && m.Settled.Entry > behind:
		t.problem("a mark settles entry %d, and stands behind entry %d", m.Settled.Entry, behind)
	case m.Settled != nil:
		t.settle(*m.Settled)
	case m.Healed != nil && m.Healed.Entry > t.believed && m.Healed.Entry <= t.done:
		t.account.Healed += int64(len(m.Healed.Seqs))
	}
}

func (t *tally) settle(s settlement) {
	if s.Entry <= t.done {
		return // read again; a mark may be written twice
	}
	if s.Entry > t.done+1 {
		t.skip(s.Entry - 1)
	}
	events := int64(len(s.Seqs))
	if entries, n := t.open.take(s.Entry); entries > 0 {
		t.retained++
		if n != events {
			t.problem("entry %d has %d events, and its mark settles %d", s.Entry, n, events)
		}
		t.account.Accepted += n
	} else {
		t.account.Accepted += events // the entry is gone, and what became of it is known
	}
	aside := int64(0)
	for _, seq := range s.Seqs {
		if seq == 0 {
			aside++
		}
	}
	t.account.Stored += events - aside - s.Duplicate
	t.account.Duplicate += s.Duplicate
	t.account.SetAside += aside
	t.done = s.Entry
}

// skip goes past entries up to upTo, for which there is no mark though there is
// one for a later entry. Those that are gone are lost to damage. Those that are
// there are accepted, and nothing says what became of them.
func (t *tally) skip(upTo journal.Seq) {
	entries, events := t.open.take(upTo)
	if entries > 0 {
		t.problem("%d entries up to %d are there, and no mark says what became of them", entries, upTo)
	}
	lost := t.missing(upTo, entries)
	t.account.Accepted += events + lost
	t.account.Damaged += lost
	t.unsure = t.unsure || lost > 0
	t.retained += entries
	t.done = upTo
}

// missing returns how many entries behind done, up to upTo, are not among those
// that are there and should be.
func (t *tally) missing(upTo journal.Seq, there int64) int64 {
	from := max(t.done+1, t.first) // those before were released with their segments
	if from > upTo {
		return 0
	}
	return int64(upTo-from) + 1 - there
}

func (t *tally) checkpoint(behind journal.Seq, s ledgerState) {
	if s.Done > behind {
		t.problem("the checkpoint behind entry %d says that entry %d is settled", behind, s.Done)
		return
	}
	if s.Done < t.done {
		t.problem("the checkpoint behind entry %d knows entries up to %d, and marks before it up to %d", behind, s.Done, t.done)
		return
	}
	entries, events := t.open.take(s.Done)
	if t.checkpoints == 1 && t.entries == 0 || t.unsure || t.missing(s.Done, entries) > 0 {
		// It counted what can be counted no more.
		t.account.Accepted = s.Totals.Accepted
	} else {
		t.account.Accepted += events
	}
	accepted := t.account.Accepted
	t.account = s.Totals
	t.account.Accepted = accepted
	t.done, t.believed, t.unsure = s.Done, s.Done, false
	t.retained += entries
}

// finish takes where the journal begins and ends, and returns the account. Lost
// entries that are not settled count as damaged, with one event each.
func (t *tally) finish(r journal.Report) (a Account, pendingEntries int64) {
	if r.First > t.done+1 {
		t.done = r.First - 1 // released, whatever the marks say: on a full disk they come too late
	}
	if t.first == 0 {
		t.first = r.First
	}
	entries, events := t.open.take(r.Last)
	lost := t.missing(r.Last, entries)
	a = Account{Totals: t.account, Pending: events, Retained: t.retained}
	a.Accepted += events + lost
	a.Damaged += lost
	a.Unaccounted = a.Accepted - a.Stored - a.Duplicate - a.SetAside - a.Damaged - a.Pending
	return a, entries
}

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
