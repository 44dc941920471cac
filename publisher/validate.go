package publisher

import (
	"errors"
	"fmt"
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
	var p problems
	if c.Ack != AckJournal && c.Ack != AckStream {
		p.add("ack", "%q is unknown; use journal or stream", c.Ack)
	}
	if c.AckTimeout <= 0 {
		p.add("ack_timeout", "must be more than 0, such as 2s")
	}
	if _, err := schema.ParsePrefix(c.SubjectPrefix); err != nil {
		p.add("subject_prefix", "%w", err)
	}
	if c.RefusedAfter < 0 {
		p.add("refused_after", "is %s; use a duration of 0s or more", c.RefusedAfter)
	}
	c.validateStreams(&p)
	return errors.Join(p...)
}

// validateStreams checks the keys that say what the streams must be like.
func (c Config) validateStreams(p *problems) {
	if !streamName.MatchString(c.Stream) {
		p.add("stream", "%q is no stream name; use 1 to 200 of A-Z, a-z, 0-9, _ and -", c.Stream)
	}
	p.oneOf("streams", c.Streams, streams.Create, streams.Apply, streams.Check)
	p.oneOf("discard", c.Discard, streams.DiscardNew, streams.DiscardOld)
	if c.MaxAge < 0 {
		p.add("max_age", "must not be negative; 0 keeps events for ever")
	}
	p.size("max_bytes", c.MaxBytes)
	p.size("quarantine_max_bytes", c.QuarantineMaxBytes)
	p.size("replay_max_bytes", c.ReplayMaxBytes)
	p.size("audit_max_bytes", c.AuditMaxBytes)
	p.age("quarantine_max_age", c.QuarantineMaxAge)
	p.age("replay_max_age", c.ReplayMaxAge)
	if c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		p.add("replicas", "is %d; use 1, 3 or 5", c.Replicas)
	}
	switch {
	case c.DuplicateWindow < streams.MinDuplicateWindow:
		p.add("duplicate_window", "is %s; must be at least %s", c.DuplicateWindow, streams.MinDuplicateWindow)
	case c.MaxAge > 0 && c.DuplicateWindow > c.MaxAge:
		p.add("duplicate_window", "is %s, which is more than publisher.max_age (%s); JetStream takes no such stream", c.DuplicateWindow, c.MaxAge)
	}
}

// problems collects the errors of Validate, each under its key without the prefix "publisher.".
type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("publisher."+key+": "+format, args...))
}

func (p *problems) oneOf(key, got string, want ...string) {
	if !slices.Contains(want, got) {
		p.add(key, "%q is unknown; use one of %s", got, strings.Join(want, ", "))
	}
}

func (p *problems) size(key string, n value.Size) {
	if n < 0 {
		p.add(key, "must not be negative; 0 is unlimited")
	}
}

func (p *problems) age(key string, d time.Duration) {
	if d < 0 || d > 0 && d < streams.MinDuplicateWindow {
		p.add(key, "is %s; use 0 for ever, or at least %s", d, streams.MinDuplicateWindow)
	}
}
