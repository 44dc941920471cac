package publisher

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

var streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// minJournal is room for a few of the largest events, with the segment that is
// being written and the one before it.
const minJournal = 16 * value.MiB

// Validate reports every problem, each under its key.
func (c JournalConfig) Validate() error {
	var p value.Problems
	if c.MaxBytes < minJournal {
		p.Add("journal.max_bytes", "is %s; use at least %s, such as 10GiB", c.MaxBytes, minJournal)
	}
	if c.Reserve < 0 {
		p.Add("journal.reserve", "must not be negative; 0 reserves nothing")
	}
	if c.Retain < 0 {
		p.Add("journal.retain", "must not be negative, such as 10m")
	}
	return p.Err()
}

// Validate reports every problem, each under its key. It reads no files.
func (c Config) Validate() error {
	var p value.Problems
	if c.Ack != AckJournal && c.Ack != AckStream {
		p.Add("publisher.ack", "%q is unknown; use journal or stream", c.Ack)
	}
	if c.AckTimeout <= 0 {
		p.Add("publisher.ack_timeout", "must be more than 0, such as 2s")
	}
	if _, err := schema.ParsePrefix(c.SubjectPrefix); err != nil {
		p.Add("publisher.subject_prefix", "%w", err)
	}
	if c.RefusedAfter < 0 {
		p.Add("publisher.refused_after", "is %s; use a duration of 0s or more", c.RefusedAfter)
	}
	c.validateStreams(&p)
	return p.Err()
}

// validateStreams checks the keys that say what the streams must be like.
func (c Config) validateStreams(p *value.Problems) {
	if !streamName.MatchString(c.Stream) {
		p.Add("publisher.stream", "%q is no stream name; use 1 to 200 of A-Z, a-z, 0-9, _ and -", c.Stream)
	}
	oneOf(p, "publisher.streams", c.Streams, streams.Create, streams.Apply, streams.Check)
	oneOf(p, "publisher.discard", c.Discard, streams.DiscardNew, streams.DiscardOld)
	if c.MaxAge < 0 {
		p.Add("publisher.max_age", "must not be negative; 0 keeps events for ever")
	}
	size(p, "publisher.max_bytes", c.MaxBytes)
	size(p, "publisher.quarantine_max_bytes", c.QuarantineMaxBytes)
	size(p, "publisher.replay_max_bytes", c.ReplayMaxBytes)
	size(p, "publisher.audit_max_bytes", c.AuditMaxBytes)
	age(p, "publisher.quarantine_max_age", c.QuarantineMaxAge)
	age(p, "publisher.replay_max_age", c.ReplayMaxAge)
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		p.Add("publisher.replicas", "is %d; use 1, 3 or 5", c.Replicas)
	}
	switch {
	case c.DuplicateWindow < streams.MinDuplicateWindow:
		p.Add("publisher.duplicate_window", "is %s; must be at least %s", c.DuplicateWindow, streams.MinDuplicateWindow)
	case c.MaxAge > 0 && c.DuplicateWindow > c.MaxAge:
		p.Add("publisher.duplicate_window", "is %s, which is more than publisher.max_age (%s); JetStream takes no such stream", c.DuplicateWindow, c.MaxAge)
	}
}

func oneOf(p *value.Problems, key, got string, want ...string) {
	if !slices.Contains(want, got) {
		p.Add(key, "%q is unknown; use one of %s", got, strings.Join(want, ", "))
	}
}

func size(p *value.Problems, key string, n value.Size) {
	if n < 0 {
		p.Add(key, "must not be negative; 0 is unlimited")
	}
}

func age(p *value.Problems, key string, d time.Duration) {
	if d < 0 || d > 0 && d < streams.MinDuplicateWindow {
		p.Add(key, "is %s; use 0 for ever, or at least %s", d, streams.MinDuplicateWindow)
	}
}
