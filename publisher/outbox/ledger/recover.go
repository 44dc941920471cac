package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// stateVersion is that of this program; the state of older ones has none.
const stateVersion = 2

// checkpoint is the state and the totals as they are written.
type checkpoint struct {
	State
	Totals Totals `json:"totals"`

	// What older programs wrote.
	OldIncarnation time.Time `json:"incarnation,omitzero"`
	OldHighestSeq  uint64    `json:"highest_seq,omitempty"`
	OldMaxPayload  int64     `json:"max_payload,omitempty"`
}

func decodeCheckpoint(b []byte) (checkpoint, error) {
	var c checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Version == 0 {
		c.Created, c.Highest, c.Limit = c.OldIncarnation, c.OldHighestSeq, c.OldMaxPayload
		c.Floor, c.Sent = c.OldHighestSeq, sentUnknown
	}
	return c, nil
}

// Recover takes the records of a journal that is opened, in order.
func (l *Ledger) Recover(r journal.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account.begin(r)
	switch r.Type {
	case journal.Checkpoint:
		c, err := decodeCheckpoint(r.Payload)
		if err != nil {
			l.account.problem("the checkpoint behind entry %d cannot be read: %v", r.Seq, err)
			return nil
		}
		l.applyCheckpoint(r.Seq, c)
	case journal.Entry:
		h, err := decodeHead(r.Payload)
		if err != nil {
			return fmt.Errorf("entry %d: %w", r.Seq, err)
		}
		l.account.entry(r.Seq, int64(h.messages), int64(len(r.Payload)), l.state.Done)
	case journal.Mark:
		var m Mark
		if err := json.Unmarshal(r.Payload, &m); err != nil {
			l.account.problem("a mark behind entry %d cannot be read: %v", r.Seq, err)
			return nil
		}
		l.account.marks++
		l.take(m, r.Seq)
	}
	return nil
}

// Recovered ends the recovery. Entries before the first that the journal has
// were released, whatever the marks say: on a full disk the journal removes
// entries before it can write their marks. After damage, any mark may be missing: also
// those that say what was sent.
func (l *Ledger) Recovered(first, last journal.Seq, damaged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first > l.state.Done+1 {
		l.account.take(first - 1) // their marks were not written yet
		l.state.Done = first - 1
	}
	l.state.Released = max(l.state.Released, first-1)
	l.retained.drop(l.state.Released)
	l.account.last = max(l.account.last, last)
	if l.state.Version == 0 && last > 0 && l.state.Sent == 0 {
		l.state.Sent = sentUnknown // a journal without a checkpoint, of an older program
	}
	if damaged {
		l.state.Sent, l.state.Floor, l.state.Healing = sentUnknown, 0, 1
	}
	l.state.Version = stateVersion
	l.marked = l.state.Done
}

// applyCheckpoint takes a checkpoint. The first one is where the journal begins; a later
// one says what the marks before it say, or more, if damage took marks, or they
// were dropped while nothing could be written.
func (l *Ledger) applyCheckpoint(behind journal.Seq, c checkpoint) {
	switch {
	case c.Done > behind:
		l.account.problem("the checkpoint behind entry %d says that entry %d is settled", behind, c.Done)
		return
	case c.Done < l.state.Done:
		l.account.problem("the checkpoint behind entry %d knows entries up to %d, and marks before it up to %d", behind, c.Done, l.state.Done)
		return
	}
	l.account.checkpoint(c.Totals, l.state.Done, c.Done)
	l.state = c.State // where the messages of entries without a mark are, nobody knows
	l.retained.drop(c.Released)
}

// Checkpoint returns the state as it is written at the head of a segment.
func (l *Ledger) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Version = stateVersion
	b, err := json.Marshal(checkpoint{State: l.state, Totals: l.account.Totals})
	if err != nil {
		return nil // not reached: numbers, texts and times
	}
	return b
}
