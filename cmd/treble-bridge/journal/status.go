package journal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/inspect"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// StatusJSON is the output of journal status and verify. Its form is stable.
type StatusJSON struct {
	DataDir string `json:"data_dir"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	Sound   bool   `json:"sound"` // nothing damaged, nothing unaccounted, in either journal

	Size        sizeJSON `json:"size"` // of the journal of accepted events, as all that follows
	accountJSON          // in events
	Healed      int64    `json:"healed"`

	PendingEntries  int64      `json:"pending_entries"`
	RetainedEntries int64      `json:"retained_entries"`
	OldestPending   *time.Time `json:"oldest_pending"`

	Read readJSON `json:"read"`
	conditionJSON
	Files fileCountJSON `json:"set_aside_files"`

	Refused *refusedJSON `json:"refused"` // the journal of refused bodies; null if there is none
}

// refusedJSON accounts for the bodies that the ingress refused: stored in the
// quarantine, and so on.
type refusedJSON struct {
	accountJSON
	conditionJSON
}

// conditionJSON lists the damage in a journal, and records that cannot be right.
type conditionJSON struct {
	Damage   []damageJSON `json:"damage"`
	Problems []string     `json:"problems"`
}

type sizeJSON struct {
	Bytes    int64  `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
	Segments int    `json:"segments"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Torn     int64  `json:"torn_bytes"`
	Copies   int    `json:"copies"`
}

// accountJSON counts the messages of a journal by their outcome.
type accountJSON struct {
	Accepted    int64 `json:"accepted"`
	Stored      int64 `json:"stored"`
	Duplicate   int64 `json:"duplicate"`
	SetAside    int64 `json:"set_aside"`
	Damaged     int64 `json:"damaged"`
	Pending     int64 `json:"pending"`
	Unaccounted int64 `json:"unaccounted"`
}

type readJSON struct {
	Entries     int64 `json:"entries"`
	Marks       int64 `json:"marks"`
	Checkpoints int64 `json:"checkpoints"`
}

type damageJSON struct {
	Segment      string `json:"segment"`
	Offset       int64  `json:"offset"`
	Length       int64  `json:"length"`
	FirstLost    uint64 `json:"first_lost,omitempty"`
	LastLost     uint64 `json:"last_lost,omitempty"`
	NotPublished int64  `json:"not_published"` // of the lost entries
	MovedTo      string `json:"moved_to,omitempty"`
}

// fileCountJSON counts the files of the set-aside.
type fileCountJSON struct {
	Files   int   `json:"files"`
	Bytes   int64 `json:"bytes"`
	Damaged int   `json:"damaged"`
}

func newStatusJSON(dataDir string, maxBytes int64, s *inspect.State, files fileCountJSON) *StatusJSON {
	v := &StatusJSON{
		DataDir: dataDir, Running: s.Running, PID: s.PID,
		Sound: s.Sound() && files.Damaged == 0,
		Size: sizeJSON{
			Bytes: s.Bytes, MaxBytes: maxBytes, Segments: s.Segments,
			First: uint64(s.First), Last: uint64(s.Last), Torn: s.Torn, Copies: s.Copies,
		},
		accountJSON: newAccountJSON(s.Account), Healed: s.Healed,
		PendingEntries: s.PendingEntries, RetainedEntries: s.Retained,
		Read:          readJSON{Entries: s.Entries, Marks: s.Marks, Checkpoints: s.Checkpoints},
		conditionJSON: newConditionJSON(&s.Inspection), Files: files,
	}
	if !s.Oldest.IsZero() {
		v.OldestPending = &s.Oldest
	}
	if s.Refused != nil {
		v.Refused = &refusedJSON{newAccountJSON(s.Refused.Account), newConditionJSON(s.Refused)}
	}
	return v
}

func newAccountJSON(a ledger.Account) accountJSON {
	return accountJSON{
		Accepted: a.Accepted, Stored: a.Stored, Duplicate: a.Duplicate, SetAside: a.SetAside,
		Damaged: a.Damaged, Pending: a.Pending, Unaccounted: a.Unaccounted,
	}
}

func newConditionJSON(s *ledger.Inspection) conditionJSON {
	v := conditionJSON{Damage: []damageJSON{}, Problems: append([]string{}, s.Problems...)}
	for _, d := range s.Report.Damage {
		lost := damageJSON{
			Segment: d.Segment, Offset: d.Offset, Length: d.Length,
			FirstLost: uint64(d.FirstLost), LastLost: uint64(d.LastLost), MovedTo: d.MovedTo,
		}
		if d.FirstLost > 0 && d.LastLost > s.Done {
			lost.NotPublished = int64(d.LastLost - max(d.FirstLost-1, s.Done))
		}
		v.Damage = append(v.Damage, lost)
	}
	return v
}

// failure is the error of verify; nil if all is well.
func (v *StatusJSON) failure() error {
	errs := complaints("the journal", "event", v.accountJSON, v.conditionJSON)
	if r := v.Refused; r != nil {
		errs = append(errs, complaints("the journal of refused bodies", "refused body", r.accountJSON, r.conditionJSON)...)
	}
	if v.Files.Damaged > 0 {
		errs = append(errs, fmt.Errorf("%s in set-aside damaged; see treble-bridge journal set-aside list", english.Plural(int(v.Files.Damaged), "file is", "files are")))
	}
	return errors.Join(errs...)
}

func complaints(journal, noun string, a accountJSON, c conditionJSON) (errs []error) {
	if n := len(c.Damage); n > 0 {
		errs = append(errs, fmt.Errorf("%s is damaged in %s", journal, english.Plural(n, "place", "")))
	}
	if n := len(c.Problems); n > 0 {
		errs = append(errs, fmt.Errorf("%s of %s cannot be as they are", english.Plural(n, "record", ""), journal))
	}
	if a.Unaccounted != 0 {
		errs = append(errs, fmt.Errorf("not accounted for: %s", english.Plural(int(a.Unaccounted), noun, "")))
	}
	return errs
}

func (v *StatusJSON) printStatus(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("data_dir", "%s, %s", v.DataDir, v.who())
	line("pending", "%s", v.pending())
	account := func(name, noun, stored, aside string, a accountJSON) {
		line(name, "%s, of which", english.Plural(int(a.Accepted), noun, ""))
		for _, part := range []struct {
			name string
			n    int64
			note string
		}{
			{stored, a.Stored, ""}, {"duplicate", a.Duplicate, "stored before"},
			{"set aside", a.SetAside, aside}, {"damaged", a.Damaged, "lost on disk"},
			{"pending", a.Pending, ""}, {"unaccounted", a.Unaccounted, "must be 0"},
		} {
			line("", "%s", strings.TrimRight(fmt.Sprintf("%-12s %10d  %s", part.name, part.n, part.note), " "))
		}
	}
	account("accepted", "event", "stored", "refused by NATS, or not captured by the stream", v.accountJSON)
	line("healed", "%d events that JetStream had lost", v.Healed)
	line("retained", "%s to heal what JetStream loses", english.Plural(int(v.RetainedEntries), "entry", ""))
	line("size", "%s of %s in %s", value.FormatBytes(v.Size.Bytes), value.FormatBytes(v.Size.MaxBytes), english.Plural(int(v.Size.Segments), "segment", ""))
	line("set-aside", "%s", v.setAside())
	line("damage", "%s", v.damage(v.Size.Copies))
	if r := v.Refused; r != nil {
		account("refused", "refused body", "quarantined", "not taken by the quarantine", r.accountJSON)
		line("damage", "%s", r.damage(0))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *StatusJSON) who() string {
	switch {
	case v.PID > 0:
		return fmt.Sprintf("in use by the bridge with pid %d; the figures may lag by a second", v.PID)
	case v.Running:
		return "in use by a bridge; the figures may lag by a second"
	}
	return "no bridge runs on it"
}

func (v *StatusJSON) pending() string {
	if v.Pending == 0 {
		return "nothing"
	}
	text := fmt.Sprintf("%s in %s", english.Plural(int(v.Pending), "event", ""), english.Plural(int(v.PendingEntries), "entry", ""))
	if v.OldestPending != nil {
		text += fmt.Sprintf(", the oldest received %s ago", max(0, time.Since(*v.OldestPending)).Round(time.Second))
	}
	return text
}

func (v *StatusJSON) setAside() string {
	if v.Files.Files == 0 {
		return "empty"
	}
	text := fmt.Sprintf("%s, %s; see treble-bridge journal set-aside list", english.Plural(int(v.Files.Files), "file", ""), value.FormatBytes(v.Files.Bytes))
	if v.Files.Damaged > 0 {
		text += fmt.Sprintf(" (%d damaged)", v.Files.Damaged)
	}
	return text
}

// damage describes the damage, and counts the copies of damaged bytes.
func (v conditionJSON) damage(copies int) string {
	var parts []string
	if n := len(v.Damage); n > 0 {
		parts = append(parts, fmt.Sprintf("in %s; see treble-bridge journal verify", english.Plural(n, "place", "")))
	}
	if n := len(v.Problems); n > 0 {
		parts = append(parts, fmt.Sprintf("%s that cannot be as they are; see treble-bridge journal verify", english.Plural(n, "record", "")))
	}
	if copies > 0 {
		parts = append(parts, fmt.Sprintf("%s of damaged bytes in journal/damaged", english.Plural(int(copies), "copy", "")))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}

func (v *StatusJSON) printVerify(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", v.DataDir, v.who())
	fmt.Fprintf(&b, "read %s, %s and %s in %s (%s), and %s in set-aside\n",
		english.Plural(int(v.Read.Entries), "entry", ""), english.Plural(int(v.Read.Marks), "mark", ""), english.Plural(int(v.Read.Checkpoints), "checkpoint", ""),
		english.Plural(int(v.Size.Segments), "segment", ""), value.FormatBytes(v.Size.Bytes), english.Plural(int(v.Files.Files), "file", ""))
	if v.Size.Torn > 0 {
		fmt.Fprintf(&b, "the last %d bytes are no record yet, or were cut short by a crash: that is normal\n", v.Size.Torn)
	}
	v.write(&b, "")
	fmt.Fprintf(&b, "%s accepted, %d of them not accounted for\n", english.Plural(int(v.Accepted), "event", ""), v.Unaccounted)
	if r := v.Refused; r != nil {
		r.write(&b, "in the journal of refused bodies, ")
		fmt.Fprintf(&b, "%s kept, %d of them not accounted for\n", english.Plural(int(r.Accepted), "refused body", "refused bodies"), r.Unaccounted)
	}
	if v.Sound {
		fmt.Fprintln(&b, "all is as it was written")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v conditionJSON) write(b *strings.Builder, where string) {
	for _, d := range v.Damage {
		fmt.Fprintf(b, "damaged: %s%s\n", where, d)
	}
	for _, p := range v.Problems {
		fmt.Fprintf(b, "problem: %s%s\n", where, terminal.Printable(p))
	}
}

func (d damageJSON) String() string {
	text := fmt.Sprintf("segment %s at %d, %d bytes", d.Segment, d.Offset, d.Length)
	if d.Length == 0 {
		text = fmt.Sprintf("segment %s at %d: what follows is missing", d.Segment, d.Offset)
	}
	switch {
	case d.FirstLost == 0:
		text += "; no entry was in it"
	case d.FirstLost == d.LastLost:
		text += fmt.Sprintf("; entry %d was in it", d.FirstLost)
	default:
		text += fmt.Sprintf("; entries %d to %d were in it", d.FirstLost, d.LastLost)
	}
	if d.NotPublished > 0 {
		text += fmt.Sprintf(", %d not published before", d.NotPublished)
	}
	if d.MovedTo != "" {
		text += "; the bytes are kept in " + d.MovedTo
	}
	return text
}
