package ledger

import (
	"encoding/json"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Mark is one step of the ledger. One of its parts is set.
type Mark struct {
	Stored *StoredRun    `json:"stored,omitempty"` // entries of one message each, stored next to each other
	Done   *EntryOutcome `json:"done,omitempty"`   // any other entry that is settled
	Healed *EntryOutcome `json:"healed,omitempty"` // stored again, at other sequences
	Moved  *EntryOutcome `json:"moved,omitempty"`  // found at other sequences, or removed on purpose

	Lost       journal.Seq `json:"lost,omitempty"`        // entries up to it are settled or lost to damage
	LostAfter  journal.Seq `json:"lost_after,omitempty"`  // what was settled before
	LostEvents int64       `json:"lost_events,omitempty"` // of those that are lost
	Target     *Target     `json:"target,omitempty"`      // the configuration names another stream, or another prefix
	Baseline   *Baseline   `json:"looked,omitempty"`
	Sent       journal.Seq `json:"sent,omitempty"`
	Released   journal.Seq `json:"released,omitempty"`
	Limit      int64       `json:"limit,omitempty"`

	// What older programs wrote.
	OldSettled     *EntryOutcome `json:"settled,omitempty"`
	OldFellBack    *streamEnd    `json:"fell_back,omitempty"`
	OldIncarnation *time.Time    `json:"incarnation,omitempty"`
	OldMaxPayload  int64         `json:"max_payload,omitempty"`
}

func (m Mark) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		return nil // not reached: numbers, texts and times
	}
	return b
}

// StoredRun are entries of one message each, from Entry on, whose messages are in
// the stream from Seq on, without gaps.
type StoredRun struct {
	Entry journal.Seq   `json:"entry"`
	Count int64         `json:"n"`
	Seq   uint64        `json:"seq"`
	ID    string        `json:"id"` // of the last one's message
	At    time.Duration `json:"at,omitempty"`
	Ahead bool          `json:"ahead,omitempty"` // see EntryOutcome.Ahead
}

// Extend adds an entry for which Plain is true. It reports false, and does nothing, if the
// entry does not follow the run in the journal and in the stream; an empty run takes any.
func (r *StoredRun) Extend(s EntryOutcome) bool {
	switch {
	case r.Count == 0:
		r.Entry, r.Seq, r.At, r.Ahead = s.Entry, s.Seqs[0], s.At, s.Ahead
	case r.Ahead != s.Ahead || r.Entry+journal.Seq(r.Count) != s.Entry || r.Seq+uint64(r.Count) != s.Seqs[0]:
		return false
	}
	r.Count++
	r.ID = s.LastID
	return true
}

// EntryOutcome says what became of the messages of an entry.
type EntryOutcome struct {
	Entry     journal.Seq   `json:"entry"`
	Seqs      []uint64      `json:"seqs"`            // by message; NoSequence if it is not looked for
	Duplicate int64         `json:"dup,omitempty"`   // how many were stored before
	Aside     int64         `json:"aside,omitempty"` // how many were set aside
	LastID    string        `json:"id,omitempty"`    // of the message at the highest of Seqs
	At        time.Duration `json:"at,omitempty"`    // of the retain clock
	// Ahead says that messages of later entries were found in the stream, and may be before
	// those of this one.
	Ahead bool `json:"ahead,omitempty"`
}

// Plain reports whether the entry has one message, which is looked for in the stream.
func (s EntryOutcome) Plain() bool { return plain(s.Seqs) }

// Highest returns the highest sequence, 0 if no message is looked for.
func (s EntryOutcome) Highest() uint64 { return highestOf(s.Seqs) }

// Target is where the configuration says that events go.
type Target struct {
	Stream string `json:"stream"`
	Prefix string `json:"prefix"`
}

// Baseline is the state of the stream when it was last compared with the journal.
type Baseline struct {
	Created time.Time `json:"created"`
	Leader  string    `json:"leader"`
	First   uint64    `json:"first"` // sequence of the first message, or the next; 0: not known
	Holes   uint64    `json:"holes,omitempty"`
	// Highest is below everything that JetStream can still acknowledge.
	Highest   uint64 `json:"highest"`
	HighestID string `json:"highest_id,omitempty"` // of the message there; "" if it is not ours
	// Healing: copies of retained messages may be from here on, however high the
	// sequences at which they were; 0 if there are none.
	Healing uint64 `json:"healing,omitempty"`
	// Floor: no message of an entry that is not settled is at or below it.
	Floor uint64 `json:"floor"`
}

// streamEnd is of an older program's mark.
type streamEnd struct {
	Seq uint64 `json:"seq"`
	ID  string `json:"id"`
}
