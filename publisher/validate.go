package publisher

import (
	"errors"
	"fmt"
	"regexp"
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
	var errs []error
	if c.MaxBytes < minJournal {
		errs = append(errs, fmt.Errorf("journal.max_bytes: is %s; use at least %s, such as 10GiB", c.MaxBytes, minJournal))
	}
	if c.Reserve < 0 {
		errs = append(errs, errors.New("journal.reserve: must not be negative; 0 reserves nothing"))
	}
	if c.Retain < 0 {
		errs = append(errs, errors.New("journal.retain: must not be negative, such as 10m"))
	}
	return errors.Join(errs...)
}

// Validate reports every problem, each under its key. It reads no files.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("publisher."+key+": "+format, args...))
	}
	switch c.Ack {
	case AckJournal, AckStream:
	default:
		bad("ack", "%q is unknown; use journal or stream", c.Ack)
	}
	if c.AckTimeout <= 0 {
		bad("ack_timeout", "must be more than 0, such as 2s")
	}
	if _, err := schema.ParsePrefix(c.SubjectPrefix); err != nil {
		bad("subject_prefix", "%w", err)
	}
	if !streamName.MatchString(c.Stream) {
		bad("stream", "%q is no stream name; use 1 to 200 of A-Z, a-z, 0-9, _ and -", c.Stream)
	}
	bytes := func(key string, n value.Size) {
		if n < 0 {
			bad(key, "must not be negative; 0 is unlimited")
		}
	}
	oneOf := func(key, got string, want ...string) {
		for _, w := range want {
			if got == w {
				return
			}
		}
		bad(key, "%q is unknown; use one of %s", got, strings.Join(want, ", "))
	}
	oneOf("streams", c.Streams, streams.Create, streams.Apply, streams.Check)
	oneOf("discard", c.Discard, streams.DiscardNew, streams.DiscardOld)
	if c.MaxAge < 0 {
		bad("max_age", "must not be negative; 0 keeps events for ever")
	}
	bytes("max_bytes", c.MaxBytes)
	bytes("quarantine_max_bytes", c.QuarantineMaxBytes)
	bytes("replay_max_bytes", c.ReplayMaxBytes)
	bytes("audit_max_bytes", c.AuditMaxBytes)
	age := func(key string, d time.Duration) {
		if d < 0 || d > 0 && d < streams.MinDuplicateWindow {
			bad(key, "is %s; use 0 for ever, or at least %s", d, streams.MinDuplicateWindow)
		}
	}
	age("quarantine_max_age", c.QuarantineMaxAge)
	age("replay_max_age", c.ReplayMaxAge)
	if c.RefusedAfter < 0 {
		bad("refused_after", "is %s; use a duration of 0s or more", c.RefusedAfter)
	}
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		bad("replicas", "is %d; use 1, 3 or 5", c.Replicas)
	}
	switch {
	case c.DuplicateWindow < streams.MinDuplicateWindow:
		bad("duplicate_window", "is %s; must be at least %s", c.DuplicateWindow, streams.MinDuplicateWindow)
	case c.MaxAge > 0 && c.DuplicateWindow > c.MaxAge:
		bad("duplicate_window", "is %s, which is more than publisher.max_age (%s); JetStream takes no such stream", c.DuplicateWindow, c.MaxAge)
	}
	return errors.Join(errs...)
}
