package publisher

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// ledger is what the bridge knows of the entries of its journal: up to where
// they are settled, where in the stream the settled ones are, and what became
// of each event.
//
// It is written as marks into the journal behind the entries, and as a
// checkpoint at the head of each segment. A mark is written after what it says
// has happened, and a crash may take the last ones away: then an entry counts
// as pending again, and reconciling finds it in the stream. So the ledger may
// know too little, and never too much.
type ledger struct {
	mu    sync.Mutex
	state ledgerState

	first journal.Seq // the first entry that may still be in the journal; 0: nothing was recovered
	known bool        // the totals are those of a checkpoint, or of a journal read from its beginning
	open  runs        // how many events the entries behind state.Done have
	// pending are those events. Entries that damage took are not among them.
	pending int64

	// retained are the settled entries that can heal what JetStream loses:
	// from firstRetained to state.Done, without gaps.
	retained      []settled
	firstRetained journal.Seq
}

// ledgerState is what a checkpoint holds.
type ledgerState struct {
	Done        journal.Seq `json:"done"` // every entry up to it is settled
	Totals      Totals      `json:"totals"`
	Incarnation time.Time   `json:"incarnation,omitzero"`  // creation time of the stream that the sequences are of
	HighestSeq  uint64      `json:"highest_seq,omitempty"` // acknowledged to us
	HighestID   string      `json:"highest_id,omitempty"`  // of the message at HighestSeq
	MaxPayload  int64       `json:"max_payload,omitempty"` // of the NATS server, when last seen
}

// Totals count the events of settled entries over the life of a journal.
type Totals struct {
	Accepted  int64 `json:"accepted"`  // in settled entries
	Stored    int64 `json:"stored"`    // acknowledged by JetStream
	Duplicate int64 `json:"duplicate"` // acknowledged as stored before
	SetAside  int64 `json:"set_aside"` // refused for good by JetStream
	Damaged   int64 `json:"damaged"`   // whose entry or mark was lost to damage on disk; one for an entry that is lost
	Healed    int64 `json:"healed"`    // stored again after JetStream lost them; counted as stored the first time
}

// settled is a retained entry.
type settled struct {
	seqs []uint64      // of its messages in the stream; 0 for one that was set aside
	at   time.Duration // of the retain clock
}

// mark is one step of the ledger. One of its parts is set.
type mark struct {
	Settled     *settlement `json:"settled,omitempty"`
	Healed      *settlement `json:"healed,omitempty"` // stored again, at other sequences
	Moved       *settlement `json:"moved,omitempty"`  // found at other sequences
	FellBack    *streamEnd  `json:"fell_back,omitempty"`
	Incarnation *time.Time  `json:"incarnation,omitempty"`
	MaxPayload  int64       `json:"max_payload,omitempty"`
}

func (m mark) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return nil // not reached: numbers, a text and a time
	}
	return b
}

// streamEnd is the last of our messages that is still in a stream which lost
// some of them.
type streamEnd struct {
	Seq uint64 `json:"seq"`
	ID  string `json:"id"`
}

// settlement is what became of the messages of an entry.
type settlement struct {
	Entry     journal.Seq `json:"entry"`
	Seqs      []uint64    `json:"seqs"`          // by message; 0 for one that was set aside
	Duplicate int64       `json:"dup,omitempty"` // how many were stored before
	LastID    string      `json:"id,omitempty"`  // of the message at the highest of Seqs
}

// recover takes the records of a journal that is opened, in order.
func (l *ledger) recover(r journal.Record) error {
	l.begin(r)
	switch r.Type {
	case journal.Checkpoint:
		var s ledgerState
		if err := json.Unmarshal(r.Payload, &s); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		l.adopt(s)
	case journal.Entry:
		n, _, err := entryHead(r.Payload)
		if err != nil {
			return fmt.Errorf("entry %d: %w", r.Seq, err)
		}
		l.append(r.Seq, int64(n))
	case journal.Mark:
		var m mark
		if err := json.Unmarshal(r.Payload, &m); err != nil {
			return fmt.Errorf("mark: %w", err)
		}
		l.apply(m, 0)
	}
	return nil
}

// begin notes where the journal begins. What was before was released, so it
// was settled.
func (l *ledger) begin(r journal.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first > 0 {
		return
	}
	l.first = r.Seq + 1
	if r.Type == journal.Entry {
		l.first = r.Seq
	}
	if l.known = r.Type == journal.Checkpoint || l.first == 1; !l.known {
		l.state.Done = l.first - 1 // damage took the first checkpoint
	}
}

// recovered ends the recovery. Entries before the first that the journal has
// were released, whatever the marks say: on a full disk the journal removes
// entries before it can write their marks.
func (l *ledger) recovered(first journal.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first > l.state.Done+1 {
		l.state.Done = first - 1
		l.retained, l.firstRetained = nil, first
	}
}

// adopt takes a checkpoint. The first one is where the journal begins; a later
// one says what the marks before it say, or more, if damage took marks, or they
// were dropped while nothing could be written.
func (l *ledger) adopt(s ledgerState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Done < l.state.Done || s.Done == l.state.Done && l.known {
		return
	}
	_, events := l.open.take(s.Done)
	l.pending -= events
	l.state, l.known = s, true
	l.retained, l.firstRetained = nil, s.Done+1
}

// append counts an entry of n events that is on stable storage.
func (l *ledger) append(seq journal.Seq, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq > l.state.Done {
		l.open.push(seq, n)
		l.pending += n
	}
}

// kept counts an entry that the journal has flushed. It is called before the
// entry's Append returns and before a reader sees it.
func (l *ledger) kept(seq journal.Seq, payload []byte) {
	n, _, err := entryHead(payload)
	if err != nil {
		return // not reached: it is our own
	}
	l.append(seq, int64(n))
}

// apply takes a step. It is called when the step was made, and when its mark
// is read again, so a step that was taken before changes nothing.
func (l *ledger) apply(m mark, clock time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case m.Settled != nil:
		l.settle(*m.Settled, clock)
	case m.Healed != nil:
		if l.move(*m.Healed, clock) {
			l.state.Totals.Healed += int64(len(m.Healed.Seqs))
		}
	case m.Moved != nil:
		l.move(*m.Moved, clock)
	case m.FellBack != nil:
		l.state.HighestSeq, l.state.HighestID = m.FellBack.Seq, m.FellBack.ID
	case m.Incarnation != nil:
		l.state.Incarnation = *m.Incarnation
		l.state.HighestSeq, l.state.HighestID = 0, ""
	case m.MaxPayload != 0:
		l.state.MaxPayload = m.MaxPayload
	}
}

func (l *ledger) settle(s settlement, clock time.Duration) {
	if s.Entry <= l.state.Done {
		return
	}
	passed, unmarked := l.open.take(s.Entry - 1)
	present, n := l.open.take(s.Entry)
	l.pending -= unmarked + n
	if present == 0 {
		n = int64(len(s.Seqs)) // released, or damaged after it was settled
	}
	// Entries are settled in order, so those that this one passes were settled
	// before: damage took their marks, or themselves; then one event is counted
	// for each. Those that were released are no loss.
	lost := int64(s.Entry-max(l.state.Done+1, l.first)) - passed + unmarked
	if s.Entry < l.first {
		lost = 0
	}
	if len(l.retained) == 0 || s.Entry != l.state.Done+1 {
		l.retained, l.firstRetained = nil, s.Entry
	}
	aside := int64(0)
	for _, seq := range s.Seqs {
		if seq == 0 {
			aside++
		}
	}
	t := &l.state.Totals
	t.Accepted += n + lost
	t.Damaged += lost
	t.Stored += int64(len(s.Seqs)) - aside - s.Duplicate
	t.Duplicate += s.Duplicate
	t.SetAside += aside
	l.state.Done = s.Entry
	l.retained = append(l.retained, settled{seqs: s.Seqs, at: clock})
	l.highest(s)
}

// move gives a retained entry other sequences.
func (l *ledger) move(s settlement, clock time.Duration) bool {
	if s.Entry < l.firstRetained || s.Entry > l.state.Done || len(l.retained) == 0 {
		return false
	}
	l.retained[s.Entry-l.firstRetained] = settled{seqs: s.Seqs, at: clock}
	l.highest(s)
	return true
}

// above reports whether seq is higher than every sequence acknowledged to us.
func (l *ledger) above(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seq > l.state.HighestSeq
}

// settledUpTo returns the last settled entry.
func (l *ledger) settledUpTo() journal.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Done
}

func (l *ledger) highest(s settlement) {
	if seq := slices.Max(s.Seqs); seq > l.state.HighestSeq {
		l.state.HighestSeq, l.state.HighestID = seq, s.LastID
	}
}

// release forgets the retained entries that were settled before the given time
// of the clock. It returns their number and the last entry that is not needed
// any more, 0 if there is none.
func (l *ledger) release(before time.Duration) (n int, upTo journal.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n < len(l.retained) && l.retained[n].at < before {
		n++
	}
	clear(l.retained[:n])
	l.retained = l.retained[n:] // append moves what is left, one day
	l.firstRetained += journal.Seq(n)
	if l.firstRetained == 0 {
		return n, 0
	}
	return n, l.firstRetained - 1
}

// restartClock makes all retained entries as young as the given time.
func (l *ledger) restartClock(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.retained {
		l.retained[i].at = now
	}
}

// now returns the state.
func (l *ledger) now() ledgerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// snapshot returns the state and a copy of the retained entries.
func (l *ledger) snapshot() (s ledgerState, first journal.Seq, retained []settled) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.firstRetained, slices.Clone(l.retained)
}

// checkpoint returns the state as it is written at the head of a segment.
func (l *ledger) checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := json.Marshal(l.state)
	if err != nil {
		return nil // not reached: numbers, a text and a time
	}
	return b
}

// Account says what became of every accepted event.
type Account struct {
	Totals
	Pending     int64 // accepted, and not settled yet
	Retained    int64 // entries kept to heal what JetStream loses
	Unaccounted int64 // must be 0
}

func (l *ledger) account() Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.state.Totals
	a := Account{Totals: t, Pending: l.pending, Retained: int64(len(l.retained))}
	a.Accepted += l.pending
	a.Unaccounted = a.Accepted - t.Stored - t.Duplicate - t.SetAside - t.Damaged - l.pending
	return a
}
