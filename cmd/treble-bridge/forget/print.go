package forget

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
)

// RunJSON is the output of a run. Its form is stable.
type RunJSON struct {
	Run      string         `json:"run,omitempty"` // its name in the audit
	State    string         `json:"state"`         // done, failed, stopped, dry-run
	Sessions int            `json:"sessions"`      // known to be the person's
	Shared   int            `json:"shared_sessions"`
	Found    forget.Counts  `json:"found"`
	Erased   forget.Counts  `json:"erased"`
	Left     *forget.Counts `json:"left,omitempty"`            // nil: it is not known
	GoneBy   *time.Time     `json:"journal_gone_by,omitempty"` // nil: nothing is left in the journals, or no bridge runs
	DataDir  string         `json:"data_dir"`                  // running, stopped, none
	Notes    []string       `json:"notes"`

	stays time.Duration // how long a copy stays in the journal of a bridge that runs
}

// setLeft notes the messages that are left, and until when the copies in the journals stay.
func (v *RunJSON) setLeft(left forget.Counts, dir *forget.DataDir) {
	v.Left, v.DataDir = &left, dataDirState(dir)
	if dir == nil {
		return
	}
	v.stays = dir.CopyStays()
	if left.Copies() > 0 && dir.Running() {
		by := time.Now().Add(v.stays).UTC().Truncate(time.Second)
		v.GoneBy = &by
	}
}

// about notes how much is known of the person.
func (v *RunJSON) about(p *forget.Person) {
	v.Sessions, v.Shared = len(p.Sessions()), p.Shared()
}

func (v *RunJSON) print(streams cli.Streams, asJSON bool) error {
	if asJSON {
		return cli.WriteJSON(streams.Out, v)
	}
	var b strings.Builder
	switch {
	case v.State == "dry-run":
		fmt.Fprintf(&b, "would delete %s\n", places(v.Found))
	case v.Found.Total() == 0:
		fmt.Fprintln(&b, "nothing of the person is kept")
	case v.Run == "":
		fmt.Fprintln(&b, "nothing is left to delete")
	default:
		fmt.Fprintf(&b, "run %s: %s, deleted %s\n", v.Run, v.State, places(v.Erased))
	}
	if v.Sessions > 0 {
		fmt.Fprintf(&b, "known as the person's: %s\n", english.Plural(int(v.Sessions), "session", ""))
	}
	if v.Shared > 0 {
		fmt.Fprintf(&b, "of other numbers too, so that messages without a number in them stay: %s\n", english.Plural(int(v.Shared), "session", ""))
	}
	if v.Left != nil && v.Left.Total() > 0 {
		fmt.Fprintf(&b, "left: %s\n", places(*v.Left))
	}
	if v.GoneBy != nil {
		fmt.Fprintf(&b, "%s in the journals will be gone by %s, if NATS stays reachable\n", english.Plural(int(v.Left.Copies()), "copy", ""), v.GoneBy.Format(time.RFC3339))
	}
	for _, n := range v.Notes {
		fmt.Fprintf(&b, "note: %s\n", terminal.Printable(n))
	}
	_, err := fmt.Fprint(streams.Out, b.String())
	return err
}

// places returns a text such as "4 messages: 3 in stream TREBLE, 1 in the set-aside".
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
		{c.Copies(), "in the journals"},
		{c.Pending, "in the journals, not published yet"},
		{c.SetAside, "in the set-aside"},
		{c.Damaged, "in copies of damaged journal"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.where))
		}
	}
	text := english.Plural(int(c.Total()), "message", "")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// unfinished is an error that names what is left and says what to do about it, nil if that
// is nothing, or goes by itself and was not to be waited for. failed: something could not
// be deleted, and another error says why.
func (f *command) unfinished(run *forget.Run, v *RunJSON, failed bool) error {
	c := *v.Left
	came := "they came when this had begun; run this again when no more come"
	if failed {
		came = "they are not deleted, for the reason above; run this again when it is mended"
	}
	sequences, files := run.Left()
	var advice []string
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			advice = append(advice, fmt.Sprintf("%d in "+format, append([]any{n}, args...)...))
		}
	}
	if v.DataDir == "stopped" {
		say(c.Pending, "the journals are not published yet, and were promised: start the bridge, and run this again when they are (see treble-bridge journal status)")
	} else {
		say(c.Pending, "the journals are not published yet: wait until NATS has taken them (see treble-bridge journal status), and run this again")
	}
	switch {
	case run.Healing() > 0 && c.Pending == 0 && !failed:
		say(int64(run.Healing()), "the journals are published again if NATS loses them: the bridge publishes to other streams than this configuration names; run this again with its own")
	case v.DataDir == "stopped":
		say(c.Copies(), "the journals are copies of what is published, and stay while no bridge runs: start it, and they are gone after %s", v.stays)
	case f.wait:
		say(c.Copies(), "the journals are copies of what is published, and still there: more came, or NATS was away; run this again")
	}
	say(c.SetAside+c.Damaged, "files of data_dir (%s): %s", some(files), came)
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		say(c.Streams[name], "stream %s (sequences %s): %s", name, some(sequences[name]), came)
	}
	if len(advice) == 0 {
		return nil
	}
	return fmt.Errorf("something of the person is left: %s", strings.Join(advice, "; "))
}

// mostLeft bounds the messages that an error names of one place.
const mostLeft = 10

// some names the first of them, and says how many more there are.
func some[T any](all []T) string {
	var names []string
	for _, one := range all[:min(len(all), mostLeft)] {
		names = append(names, terminal.Printable(fmt.Sprint(one)))
	}
	if more := len(all) - mostLeft; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
