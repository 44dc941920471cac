package ledger

import (
	"fmt"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Totals count the events of settled entries over the life of a journal.
type Totals struct {
	Accepted  int64 `json:"accepted"`  // in settled entries
	Stored    int64 `json:"stored"`    // acknowledged by JetStream
	Duplicate int64 `json:"duplicate"` // which JetStream had before
	SetAside  int64 `json:"set_aside"` // refused for good by JetStream
	Damaged   int64 `json:"damaged"`   // whose entry or mark was lost to damage on disk; one for an entry that is lost
	Healed    int64 `json:"healed"`    // stored again after JetStream lost them; counted as stored the first time
}

// Account says what became of every accepted event.
type Account struct {
	Totals
	Pending     int64 // accepted, and not settled yet
	Retained    int64 // entries kept to heal what JetStream loses
	Unaccounted int64 // must be 0
}

// account counts records: what was accepted from the entries, what became of it
// from the marks, so that the two can be held against each other. Only for
// entries whose segments are gone the checkpoints are believed.
type account struct {
	Totals // Accepted counts the settled entries

	open runs // entries behind the last settled one
	// pending are their events, pendingBytes what the entries have in all. Entries that damage
	// took are not among them.
	pending, pendingBytes int64
	first                 journal.Seq // the first entry that may be there; 0: nothing was read yet
	last                  journal.Seq // and the last
	begun                 bool
	unsure                bool // entries are missing since the last checkpoint, or what was before the first record is

	entries, marks, checkpoints int64
	problems                    []string // records that cannot be
	moreProblems                int64    // beyond maxProblems
}

// maxProblems bounds a list that is for people.
const maxProblems = 100

func (a *account) problem(format string, args ...any) {
	if len(a.problems) >= maxProblems {
		a.moreProblems++
		return
	}
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// begin notes where the journal begins. What was before was released, so it was
// settled.
func (a *account) begin(r journal.Record) {
	if a.begun {
		return
	}
	a.begun = true
	a.first = r.Seq + 1
	if r.Type == journal.Entry {
		a.first = r.Seq
	}
	// Of a journal that is not young, the account begins with a checkpoint.
	a.unsure = r.Type != journal.Checkpoint && a.first > 1
}

// entry counts an entry of some events, and of some bytes.
func (a *account) entry(seq journal.Seq, events, bytes int64, done journal.Seq) {
	a.entries++
	a.last = max(a.last, seq)
	if seq <= done {
		return
	}
	a.open.push(seq, events, bytes)
	a.pending += events
	a.pendingBytes += bytes
}

// settle counts the next entry, of those behind done, that is settled. Entries are
// settled in order, so those that it passes were settled before: damage took
// their marks, or themselves.
func (a *account) settle(s EntryOutcome, done journal.Seq) {
	if s.Entry > done+1 {
		a.lose(done, s.Entry-1)
	}
	events := int64(len(s.Seqs))
	n := events // if the entry is gone, its mark says how many there were
	if entries, there := a.take(s.Entry); entries > 0 {
		if n = there; n != events {
			a.problem("entry %d has %d events, and its mark settles %d", s.Entry, n, events)
		}
	}
	a.Accepted += n
	a.Stored += events - s.Duplicate - s.Aside
	a.Duplicate += s.Duplicate
	a.SetAside += s.Aside
}

func (a *account) take(upTo journal.Seq) (entries, events int64) {
	entries, events, bytes := a.open.take(upTo)
	a.pending -= events
	a.pendingBytes -= bytes
	return entries, events
}

// lose counts entries behind done, up to upTo, of which nothing says what became.
func (a *account) lose(done, upTo journal.Seq) {
	entries, events := a.take(upTo)
	if entries > 0 {
		a.problem("%d entries up to %d are there, and no mark says what became of them", entries, upTo)
	}
	lost := events + a.missing(done, upTo, entries)
	a.Accepted += lost
	a.Damaged += lost
	a.unsure = a.unsure || lost > 0
}

// lost counts events of entries up to upTo that cannot be read any more.
func (a *account) lost(upTo journal.Seq, events int64) {
	a.take(upTo)
	a.Accepted += events
	a.Damaged += events
}

// losing returns how many events the entries behind done have, up to upTo; one for an entry
// that was never read.
func (a *account) losing(done, upTo journal.Seq) int64 {
	open := slices.Clone(a.open)
	entries, events, _ := open.take(upTo)
	return events + a.missing(done, upTo, entries)
}

// missing returns how many entries behind done, up to upTo, are not among those
// that are there and should be.
func (a *account) missing(done, upTo journal.Seq, there int64) int64 {
	from := max(done+1, a.first) // those before were released with their segments
	if from > upTo {
		return 0
	}
	return int64(upTo-from) + 1 - there
}

// checkpoint goes from one settled entry to a later one, or the same, with the totals
// that were known there.
func (a *account) checkpoint(t Totals, done, to journal.Seq) {
	first := a.checkpoints == 0 && a.entries == 0
	a.checkpoints++
	entries, events := a.take(to)
	accepted := a.Accepted + events
	if first || a.unsure || a.missing(done, to, entries) > 0 {
		accepted = t.Accepted // it counted what can be counted no more
	}
	a.Totals = t
	a.Accepted = accepted
	a.unsure = to+1 < a.first // entries that it does not know are gone with their segments
}

// total returns the account, with entries behind done that damage took and that are
// not passed yet.
func (a *account) total(done journal.Seq, retained int64) Account {
	var there int64
	for _, r := range a.open {
		there += r.count
	}
	var lost int64
	if a.begun {
		lost = a.missing(done, a.last, there)
	}
	t := Account{Totals: a.Totals, Pending: a.pending, Retained: retained}
	t.Unaccounted = t.Accepted - t.Stored - t.Duplicate - t.SetAside - t.Damaged
	t.Accepted += a.pending + lost
	t.Damaged += lost
	return t
}

// runs are numbers of events by entry, in order, and sizes. Entries that follow each other
// and have the same number of events take one element, up to runBytes.
type runs []run

// runBytes bounds the entries of a run, and with it the error where a part of the run is taken: the
// sizes of entries change with time, and small ones may be followed by a backlog of large ones.
const runBytes = 4 << 20

type run struct {
	first  journal.Seq
	count  int64
	events int64 // of each
	bytes  int64 // of all together
}

func (r *runs) push(seq journal.Seq, events, bytes int64) {
	if n := len(*r); n > 0 {
		last := &(*r)[n-1]
		if last.events == events && last.first+journal.Seq(last.count) == seq && last.bytes+bytes <= runBytes {
			last.count++
			last.bytes += bytes
			return
		}
	}
	*r = append(*r, run{first: seq, count: 1, events: events, bytes: bytes})
}

// take removes the entries up to upTo, and returns how many they were, how many events they
// had, and how many bytes. Where it removes a part of an element, the bytes are the mean.
func (r *runs) take(upTo journal.Seq) (entries, events, bytes int64) {
	for len(*r) > 0 && (*r)[0].first <= upTo {
		head := &(*r)[0]
		n := min(head.count, int64(upTo-head.first)+1)
		entries += n
		events += n * head.events
		size := head.bytes
		if n < head.count {
			size = head.bytes / head.count * n
		}
		bytes += size
		head.bytes -= size
		head.first += journal.Seq(n)
		if head.count -= n; head.count == 0 {
			*r = (*r)[1:]
		}
	}
	return entries, events, bytes
}
