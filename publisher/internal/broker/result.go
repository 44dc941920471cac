package broker

import (
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Status classifies the outcome of messages that were published together. The zero value is the
// safe one: nothing is known.
type Status int

// The statuses. All but Unknown are proven: see Stream.Publish.
const (
	Unknown        Status = iota // sent, or perhaps sent; all of it may be stored, now or later, or nothing
	Stored                       // JetStream acknowledged all of it
	Refused                      // nothing was stored; it may be the next time
	RefusedSubject               // nothing was stored: the stream does not take this subject now, and may take others
	RefusedSize                  // nothing was stored: too large for the stream or the server as they are
	RefusedForGood               // nothing was stored, and never will be
	NotSent                      // it cannot be stored: nothing left, or only the beginning of a batch
	PartlyStored                 // of a fast-ingest batch: the first Count of its messages are in the stream, the others never will be
)

// String names the status, for tests and logs.
func (s Status) String() string {
	names := [...]string{"unknown", "stored", "refused", "refused-subject", "refused-size", "refused-for-good", "not-sent", "partly"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return names[s]
}

// Result tells the outcome of messages that were published together: all of them share one
// status.
type Result struct {
	Status Status
	// First is the sequence of the first message, if they are Stored; the others follow
	// without a gap. Of a duplicate it is the sequence of the copy that was there.
	First uint64
	// Duplicate says that the message was stored before, within the duplicate window of the
	// stream. Only a message that is published alone can be one: a batch with a
	// repetition in it is refused.
	Duplicate bool
	// Count and Last belong to a fast-ingest batch that is Stored or PartlyStored. Count is the number of
	// its messages in the stream. Last is the sequence of the last one that this publish stored, 0 if all
	// were there before. First is not known then; see Stream.PublishFast.
	Count int
	Last  uint64
	Err   error // the reason for any status but Stored; nil if Stored
}

// Info describes a stream at one moment, as far as publishing is concerned.
type Info struct {
	Created time.Time // identifies the incarnation: another time means another stream of that name
	// Leader changes whenever the stream may have been recovered from a disk: with the
	// server process that leads it, and with each election.
	Leader      string
	First, Last uint64 // sequences; First is Last+1 in an empty stream that had messages
	Messages    uint64 // stored now: less than Last-First+1 if some between were deleted

	Batches    bool          // atomic batches are allowed
	Fast       bool          // fast-ingest batches are allowed, prove what they acknowledge, and are worth it: without replicas only
	Duplicates time.Duration // the duplicate window
	MaxMsgSize int64         // of a message with its headers; 0: no limit but the server's
	Subjects   []string      // filters of the subjects that the stream captures
	// Discards says that limits may remove messages at any time but for their age: a limit
	// per subject, or a full stream that drops its oldest.
	Discards   bool
	PerSubject bool          // a limit per subject, or consumers under another retention, may leave holes
	MaxAge     time.Duration // 0: no limit
}

// Captures reports whether the stream takes messages of a subject.
func (i Info) Captures(subject string) bool {
	return slices.ContainsFunc(i.Subjects, func(f string) bool { return server.SubjectMatchesFilter(subject, f) })
}
