// Package diagnose examines a NATS, and the disk beside it, for what the promise
// of the bridge needs. It asks and does not change: what it finds are plain lines
// of a checklist, each with the line that mends it.
package diagnose

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	Warn Status = "warn" // it works, and is weaker or nearer to an end than it should be
	Fail Status = "fail" // events are refused or lost, or will be
	Skip Status = "skip" // it could not be asked; the detail says why
)

// Where a fix is to be put.
const (
	InShell  = streams.InShell
	InEnv    = streams.InEnv
	InServer = streams.InServer
)

// Check is a line of the checklist. Nothing in it is a secret or personal data.
// Its JSON form is stable.
type Check struct {
	Name   string  `json:"name"`             // what is checked, such as "jetstream"
	Of     string  `json:"of,omitempty"`     // of what, where there are several: a stream, a consumer, a file, a key
	Status Status  `json:"status"`           // pass, warn, fail or skip
	Detail string  `json:"detail"`           // what was found, and what it means
	Fix    string  `json:"fix,omitempty"`    // the line that mends it, to be pasted; words in <> are for you to fill in
	FixIn  string  `json:"fix_in,omitempty"` // where to: shell, environment or nats-server.conf
	Stages *Stages `json:"stages,omitempty"` // of a probe that came through
}

// Stages are the times that a probe took, in milliseconds.
type Stages struct {
	Answered float64 `json:"answered_ms"` // from the post to the answer
	Stored   float64 `json:"stored_ms"`   // from the answer until it was read from the stream; 0 if that came first
	Total    float64 `json:"total_ms"`    // from the post until both
}

func check(name, of string, s Status, detail string, args ...any) Check {
	return Check{Name: name, Of: of, Status: s, Detail: fmt.Sprintf(detail, args...)}
}

func (c Check) shell(fix string, args ...any) Check {
	c.Fix, c.FixIn = fmt.Sprintf(fix, args...), InShell
	return c
}

func (c Check) server(fix string, args ...any) Check {
	c.Fix, c.FixIn = fmt.Sprintf(fix, args...), InServer
	return c
}

// set is the fix that gives a key of the configuration a value.
func (c Check) set(key string, value any) Check {
	c.Fix, c.FixIn = Setting(key, value), InEnv
	return c
}

// Setting is the environment variable that gives a key of the configuration a
// value.
func Setting(key string, value any) string { return streams.Setting(key, value) }

// Quote quotes a word for a POSIX shell, if it needs it.
func Quote(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)
