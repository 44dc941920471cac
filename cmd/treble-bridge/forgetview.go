package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/forget"
)

// forgetView is what is printed of a run. Its JSON form is stable.
type forgetView struct {
	Run      string         `json:"run,omitempty"` // its name in the audit
	State    string         `json:"state"`         // done, failed, stopped, dry-run
	Sessions int            `json:"sessions"`      // known to be the person's
	Shared   int            `json:"shared_sessions"`
	Found    forget.Counts  `json:"found"`
	Erased   forget.Counts  `json:"erased"`
	Left     *forget.Counts `json:"left,omitempty"` // nil: it is not known
	DataDir  string         `json:"data_dir"`       // running, stopped, none
	Notes    []string       `json:"notes"`
}

// about notes how much is known of the person.
func (v *forgetView) about(p *forget.Person) {
	v.Sessions, v.Shared = len(p.Sessions()), p.Shared()
}

func (v *forgetView) print(streams stdio, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(streams.out).Encode(v)
	}
	var b strings.Builder
	switch {
	case v.State == "dry-run":
		fmt.Fprintf(&b, "would delete %s\n", places(v.Found))
	case v.Found.Total() == 0:
		fmt.Fprintln(&b, "nothing of the person is kept")
	default:
		fmt.Fprintf(&b, "run %s: %s, deleted %s\n", v.Run, v.State, places(v.Erased))
	}
	if v.Sessions > 0 {
		fmt.Fprintf(&b, "known as the person's: %s\n", count(int64(v.Sessions), "session", "sessions"))
	}
	if v.Shared > 0 {
		fmt.Fprintf(&b, "of other numbers too, so that messages without a number in them stay: %s\n", count(int64(v.Shared), "session", "sessions"))
	}
	if v.Left != nil && v.Left.Total() > 0 {
		fmt.Fprintf(&b, "left: %s\n", places(*v.Left))
	}
	for _, n := range v.Notes {
		fmt.Fprintf(&b, "note: %s\n", printable(n))
	}
	_, err := fmt.Fprint(streams.out, b.String())
	return err
}

// places is such as "4 messages: 3 in stream TREBLE, 1 in the set-aside".
func places(c forget.Counts) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		if n := c.Streams[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d in stream %s", n, name))
		}
	}
	for _, p := range []struct {
		n     int64
		where string
	}{
		{c.Journal, "in the journal"},
		{c.SetAside, "in the set-aside"},
		{c.Damaged, "in copies of damaged journal"},
		{c.Waiting, "in memory, waiting for NATS"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.where))
		}
	}
	text := count(c.Total(), "message", "messages")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// whatIsLeft is an error that says what to do about what is left, nil if that is
// nothing.
func whatIsLeft(c forget.Counts, dataDir string) error {
	if c.Total() == 0 {
		return nil
	}
	var advice []string
	if c.Journal > 0 || c.Waiting > 0 {
		how := "NATS has not taken them yet: wait until it has (see treble-bridge journal status), and run this again"
		if dataDir == "stopped" {
			how = "they are not published yet, and were promised: start the bridge, and run this again when they are (see treble-bridge journal status)"
		}
		advice = append(advice, fmt.Sprintf("%d in journal and memory: %s", c.Journal+c.Waiting, how))
	}
	if n := c.SetAside + c.Damaged; n > 0 {
		advice = append(advice, fmt.Sprintf("%d in set-aside and copies: they came meanwhile; run this again", n))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		advice = append(advice, fmt.Sprintf("%d in stream %s: they came meanwhile; run this again when no more come", c.Streams[name], name))
	}
	return fmt.Errorf("something of the person is left: %s", strings.Join(advice, "; "))
}
