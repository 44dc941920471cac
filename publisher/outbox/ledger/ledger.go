// Package ledger knows what the records of an outbox's journal say: the entries that were
// accepted, and which of them are pending, settled, retained or lost.
//
// An entry holds the messages of one delivery. Marks behind the entries, and a checkpoint
// at the head of each segment, say what became of them. The ledger of an open outbox
// writes both; Inspect, Each and ForgetIn read the same records without an outbox.
package ledger

import (
	"slices"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Ledger holds the state of the entries of a journal: up to where
// they are settled, where in the stream the settled ones are, and what became
// of each event.
//
// It is written as marks into the journal behind the entries, and as a
// checkpoint at the head of each segment. A mark is written after what it says
// has happened, and a crash may take the last ones away: then an entry counts
// as pending again, and reconciling finds it in the stream. So the ledger may
// know too little, and never too much. The marks of which that is not true are
// flushed before the bridge acts on them: see relay.record.
//
// The same code counts the records of a journal that is only read, for
// Inspect. Its methods may be called at once.
type Ledger struct {
	mu       sync.Mutex
	state    State
	account  account
	retained Retained
	marked   journal.Seq   // entries up to it are settled, and the marks of that are queued
	moved    chan struct{} // closed when more is settled; nil if nobody waits
}

// State is the part of a checkpoint beside the totals.
type State struct {
	Version int         `json:"v"`
	Done    journal.Seq `json:"done"` // every entry up to it is settled
	Target
	Baseline
	// Sent: no entry behind it was ever sent to the stream.
	Sent journal.Seq `json:"sent"`
	// Released: entries up to it heal nothing any more.
	Released journal.Seq   `json:"released,omitempty"`
	Clock    time.Duration `json:"clock,omitempty"` // the retain clock, when it was last written
	Limit    int64         `json:"limit,omitempty"` // of the NATS server, when last seen
	// Left is the lowest sequence from which a message of a retained entry moved, LeftBy the
	// last such entry. A backup may bring it back there.
	Left   uint64      `json:"left,omitempty"`
	LeftBy journal.Seq `json:"left_by,omitempty"`
}

// Leased reports whether it is written down that an entry may have been sent.
func (s State) Leased(entry journal.Seq) bool { return entry <= s.Sent && s.Sent != sentUnknown }

// sentUnknown: an older program ran, and any entry may have been sent.
const sentUnknown = 1 << 62

// CountEntry counts an entry that the journal has flushed. It is called before the
// entry's Append returns and before a reader sees it.
func (l *Ledger) CountEntry(seq journal.Seq, payload []byte) {
	h, err := decodeHead(payload)
	if err != nil {
		return // not reached: it is our own
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account.entry(seq, int64(h.messages), int64(len(payload)), l.state.Done)
}

// MarkWriter writes marks in order, as a *journal.Journal does.
type MarkWriter interface{ Mark(payload []byte) }

// Record makes a step and queues its mark in the journal, in this order: a checkpoint
// must know what the marks before it say.
func (l *Ledger) Record(j MarkWriter, m Mark) {
	l.apply(m)
	j.Mark(m.encode())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marked = l.state.Done
}

// apply makes a step.
func (l *Ledger) apply(m Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state.Done
	l.take(m, sentUnknown)
	if l.state.Done != before && l.moved != nil {
		close(l.moved)
		l.moved = nil
	}
}

// take makes a step, when it happens and when its mark is read again; a step
// that was taken before changes nothing. Behind is the last entry before the mark.
func (l *Ledger) take(m Mark, behind journal.Seq) {
	switch {
	case m.Stored != nil:
		l.takeStored(*m.Stored, behind)
	case m.Done != nil:
		l.settle(*m.Done, behind)
	case m.OldSettled != nil:
		s := *m.OldSettled
		for _, seq := range s.Seqs {
			if seq == NoSequence {
				s.Aside++
			}
		}
		l.settle(s, behind)
	case m.Healed != nil:
		if l.move(*m.Healed) {
			l.account.Healed += m.Healed.events()
		}
	case m.Moved != nil:
		s := *m.Moved
		s.At = l.retained.at(s.Entry) // it is as old as before, and holds up no other
		l.move(s)
	case m.Lost != 0:
		l.lose(m.LostAfter, m.Lost, m.LostEvents)
	case m.Target != nil:
		l.retarget(*m.Target)
	case m.Baseline != nil:
		l.state.Baseline = *m.Baseline
	case m.Sent != 0:
		l.state.Sent = m.Sent
	case m.Released != 0:
		l.release(m.Released)
	case m.Limit != 0:
		l.state.Limit = m.Limit
	case m.OldFellBack != nil:
		// It was healing, and the marks of that say nothing of the new sequences.
		l.state.Highest, l.state.HighestID = m.OldFellBack.Seq, m.OldFellBack.ID
		l.state.Floor = min(l.state.Floor, m.OldFellBack.Seq)
		if from := m.OldFellBack.Seq + 1; l.state.Healing == 0 || l.state.Healing > from {
			l.state.Healing = from
		}
	case m.OldIncarnation != nil:
		l.state.Baseline = Baseline{Created: *m.OldIncarnation}
	case m.OldMaxPayload != 0:
		l.state.Limit = m.OldMaxPayload
	}
}

// events returns the number of messages that were stored again.
func (s EntryOutcome) events() (n int64) {
	for _, seq := range s.Seqs {
		if seq != NoSequence {
			n++
		}
	}
	return n
}

func (l *Ledger) takeStored(s StoredRun, behind journal.Seq) {
	var seq [1]uint64
	for i := range s.Count {
		seq[0] = s.Seq + uint64(i)
		one := EntryOutcome{Entry: s.Entry + journal.Seq(i), Seqs: seq[:], At: s.At, Ahead: s.Ahead}
		if i == s.Count-1 {
			one.LastID = s.ID
		}
		l.settle(one, behind)
	}
}

func (l *Ledger) settle(s EntryOutcome, behind journal.Seq) {
	if s.Entry <= l.state.Done {
		return
	}
	if s.Entry > behind {
		l.account.problem("a mark settles entry %d, and stands behind entry %d", s.Entry, behind)
		return
	}
	l.account.settle(s, l.state.Done)
	l.state.Done = s.Entry
	l.retained.push(s.Entry, s.Seqs, s.At)
	l.raise(s)
	if !s.Ahead {
		l.state.Floor = max(l.state.Floor, s.Highest())
	}
	l.state.Clock = max(l.state.Clock, s.At)
}

// lose goes past entries that damage took before they were settled: those behind after.
func (l *Ledger) lose(after, upTo journal.Seq, events int64) {
	if upTo <= l.state.Done {
		return
	}
	if after > l.state.Done { // and took their marks
		l.account.lose(l.state.Done, after)
	}
	l.account.lost(upTo, events)
	l.state.Done = upTo
}

// Losing returns what is settled, and how many events are lost if all entries up to one are
// settled, or cannot be read.
func (l *Ledger) Losing(upTo journal.Seq) (after journal.Seq, events int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Done, l.account.losing(l.state.Done, upTo)
}

// move gives a retained entry other sequences. It reports whether it did: an entry
// that is there already was moved before.
func (l *Ledger) move(s EntryOutcome) bool {
	before := l.retained.Get(s.Entry)
	if before == nil || len(before) != len(s.Seqs) {
		return false
	}
	for i, seq := range before {
		if seq != NoSequence && seq != s.Seqs[i] && (l.state.Left == 0 || seq < l.state.Left) {
			l.state.Left = seq
		}
	}
	l.state.LeftBy = max(l.state.LeftBy, s.Entry)
	l.retained.set(s.Entry, s.Seqs, s.At)
	l.raise(s)
	l.state.Clock = max(l.state.Clock, s.At)
	return true
}

func (l *Ledger) raise(s EntryOutcome) {
	if seq := s.Highest(); seq > l.state.Highest {
		l.state.Highest, l.state.HighestID = seq, s.LastID
	}
}

// retarget begins with another stream. What was published to the one before
// cannot be healed in it, and nothing was sent to it yet. With another prefix alone
// it is the same stream.
func (l *Ledger) retarget(t Target) {
	if before := l.state.Stream; before != "" && before != t.Stream {
		l.release(l.state.Done)
		l.state.Baseline = Baseline{}
		if l.state.Sent != sentUnknown { // damage may have taken the mark that we are here already
			l.state.Sent = l.state.Done
		}
	}
	l.state.Target = t
}

func (l *Ledger) release(upTo journal.Seq) {
	l.state.Released = max(l.state.Released, min(upTo, l.state.Done))
	l.retained.drop(l.state.Released)
	if l.state.LeftBy <= l.state.Released {
		l.state.Left, l.state.LeftBy = 0, 0
	}
}

// State returns the state.
func (l *Ledger) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Snapshot returns the state and a copy of the retained entries.
func (l *Ledger) Snapshot() (State, Retained) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.retained.clone()
}

// Releasable returns the last entry that was settled before the given time of the
// clock, and is retained; 0 if there is none.
func (l *Ledger) Releasable(before time.Duration) journal.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retained.settledBefore(before)
}

// Progress returns the last settled entry, and a channel that is closed when it is
// another one.
func (l *Ledger) Progress() (done journal.Seq, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moved == nil {
		l.moved = make(chan struct{})
	}
	return l.state.Done, l.moved
}

// Sequences returns where the messages of a retained entry are; nil if it is not retained.
func (l *Ledger) Sequences(entry journal.Seq) []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.retained.Get(entry)
}

// Forget returns the marks which say that messages are removed from the stream on purpose, by
// their sequences. They are to be recorded.
func (l *Ledger) Forget(seqs map[uint64]bool) (marks []Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.retained.spans {
		for entry := s.First; entry < s.End(); entry++ {
			places := s.Sequences(entry)
			if !slices.ContainsFunc(places, func(seq uint64) bool { return seq != NoSequence && seqs[seq] }) {
				continue
			}
			left := slices.Clone(places)
			for i, seq := range left {
				if seqs[seq] {
					left[i] = NoSequence
				}
			}
			marks = append(marks, Mark{Moved: &EntryOutcome{Entry: entry, Seqs: left}})
		}
	}
	return marks
}

// Yield returns the entry up to which the journal may give up everything, with the retained
// entries or without.
func (l *Ledger) Yield(retained bool) journal.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !retained {
		return min(l.state.Released, l.marked)
	}
	return l.marked
}

// Yielded forgets what the journal gave up.
func (l *Ledger) Yielded(upTo journal.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(upTo)
}

// RestartClock makes all retained entries as young as the given time.
func (l *Ledger) RestartClock(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retained.restart(now)
}

// PendingBytes returns the bytes of the entries that are not settled, as the journal has them.
func (l *Ledger) PendingBytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.account.pendingBytes
}

// Account returns the account.
func (l *Ledger) Account() Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.account.total(l.state.Done, l.retained.count)
}
