package replay

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Action is the action of the audit records of replays.
const Action = "replay"

// The values of Target.To.
const (
	ToStream = "stream" // the replay stream, or with a Subject the stream that captures it
	ToURL    = "url"    // HTTP POST: at least once
	ToFile   = "file"
)

// kindPart stands for the event's kind in Target.Subject.
const kindPart = "{kind}"

// Target says where the events go.
type Target struct {
	To      string
	Subject string // for ToStream; {kind}, as a whole part, stands for the kind. Empty: the replay stream
	URL     URLTarget
	File    string // a path, or "-"
}

// Spec says what to replay, and where.
type Spec struct {
	Filter client.Filter
	Target Target
	Limit  int64 // events in all; 0: no limit
	Force  bool  // also into subjects that the event stream captures
}

// detail is the part of the audit record that is specific to a replay. It has nothing that names a
// person, nor of the URL what may be a secret.
type detail struct {
	Filter        filterDetail `json:"filter"`
	Target        targetDetail `json:"target"`
	Limit         int64        `json:"limit,omitempty"`
	End           uint64       `json:"end"`                     // the last sequence that is read, fixed at the start
	Created       time.Time    `json:"created"`                 // when the event stream was made: another one has other sequences
	TargetCreated time.Time    `json:"target_created,omitzero"` // likewise
	Owner         string       `json:"owner"`                   // the process that writes the record
	Checkpoint    position     `json:"checkpoint"`
}

type filterDetail struct {
	Kinds        []schema.Kind `json:"kinds,omitempty"`
	Session      bool          `json:"session,omitempty"` // whether one was given; so below
	Conversation bool          `json:"conversation,omitempty"`
	Phone        bool          `json:"phone,omitempty"`
	Source       string        `json:"source,omitempty"`
	ID           string        `json:"id,omitempty"`
	Since        time.Time     `json:"since,omitzero"`
	Until        time.Time     `json:"until,omitzero"`
	FromSeq      uint64        `json:"from_seq,omitempty"`
	ToSeq        uint64        `json:"to_seq,omitempty"`
}

type targetDetail struct {
	To      string `json:"to"`
	Stream  string `json:"stream,omitempty"`
	Subject string `json:"subject,omitempty"`
	Host    string `json:"host,omitempty"` // of a URL its scheme and host; the rest may be a secret
	File    string `json:"file,omitempty"`
}

// position is the progress of a run.
type position struct {
	Sequence uint64 `json:"sequence"`         // of the event stream: all up to it is done
	Done     int64  `json:"done"`             // events of the run up to it
	Skipped  int64  `json:"skipped,omitzero"` // messages up to it that are no events
	Target   uint64 `json:"target,omitempty"` // of the target stream: up to it lies nothing of the run behind Sequence
	Offset   int64  `json:"offset,omitempty"` // of the file: it is flushed up to it
}

// pass moves the position behind an event.
func (p *position) pass(e event) {
	p.Sequence, p.Skipped = e.Sequence, e.skipped
	p.Done++
}

func detailOf(f client.Filter) filterDetail {
	return filterDetail{f.Kinds, f.Session != "", f.Conversation != "", f.Phone != "", f.Source, f.ID, f.Since, f.Until, f.FromSeq, f.ToSeq}
}

func (d filterDetail) filter(g Given) client.Filter {
	return client.Filter{Kinds: d.Kinds, Session: g.Session, Conversation: g.Conversation, Phone: g.Phone, Source: d.Source, ID: d.ID,
		Since: d.Since, Until: d.Until, FromSeq: d.FromSeq, ToSeq: d.ToSeq}
}

// words is the filter for people, without the values that name a person.
func (d filterDetail) words() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	for _, k := range d.Kinds {
		add("kind", string(k))
	}
	for _, p := range []struct {
		name  string
		given bool
	}{{"session", d.Session}, {"conversation", d.Conversation}, {"phone", d.Phone}} {
		if p.given {
			parts = append(parts, "one "+p.name)
		}
	}
	add("source", d.Source)
	add("id", d.ID)
	if !d.Since.IsZero() {
		add("since", d.Since.UTC().Format(time.RFC3339))
	}
	if !d.Until.IsZero() {
		add("until", d.Until.UTC().Format(time.RFC3339))
	}
	if d.FromSeq > 0 {
		add("from sequence", fmt.Sprint(d.FromSeq))
	}
	if d.ToSeq > 0 {
		add("to sequence", fmt.Sprint(d.ToSeq))
	}
	if len(parts) == 0 {
		return "all events"
	}
	return strings.Join(parts, ", ")
}

// words is the target for people.
func (t targetDetail) words() string {
	switch t.To {
	case ToStream:
		return fmt.Sprintf("stream %s, subject %s", t.Stream, t.Subject)
	case ToURL:
		return t.Host
	case ToFile:
		if t.File == "-" {
			return "standard output"
		}
		return t.File
	}
	return t.To + " " + t.Subject // of a version that knew other targets
}

// checkSubject returns an error unless s can be published to once {kind} is a kind.
func checkSubject(s string) error {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part != kindPart && strings.ContainsAny(part, "*>{}$ \t\r\n") {
			return fmt.Errorf("subject %q: use parts joined by dots, without wildcards, blanks and $; %s may stand as a whole part", s, kindPart)
		}
	}
	return nil
}

// subjectFor puts the kind into a subject.
func subjectFor(subject string, k schema.Kind) string {
	return strings.ReplaceAll(subject, kindPart, string(k))
}

// subjectPattern covers a subject whatever the kind is.
func subjectPattern(subject string) string {
	if before, _, ok := strings.Cut(subject, kindPart); ok {
		return before + ">"
	}
	return subject
}

func decodeDetail(r audit.Record) (detail, error) {
	var d detail
	if err := json.Unmarshal(r.Detail, &d); err != nil {
		return d, fmt.Errorf("audit record of %s is malformed: %w", r.Run, err)
	}
	return d, nil
}
