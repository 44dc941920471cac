package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// ChecklistJSON is the output of doctor --json. Its form is stable.
type ChecklistJSON struct {
	Checks  []diagnose.Check `json:"checks"`
	Summary CheckSummaryJSON `json:"summary"`
}

// CheckSummaryJSON counts the checks by their status.
type CheckSummaryJSON struct {
	Status diagnose.Status `json:"status"` // the worst
	Pass   int             `json:"pass"`
	Warn   int             `json:"warn"`
	Fail   int             `json:"fail"`
	Skip   int             `json:"skip"`
}

func summarize(checks []diagnose.Check) CheckSummaryJSON {
	s := CheckSummaryJSON{Status: diagnose.Pass}
	for _, c := range checks {
		switch c.Status {
		case diagnose.Pass:
			s.Pass++
		case diagnose.Warn:
			s.Warn++
		case diagnose.Fail:
			s.Fail++
		case diagnose.Skip:
			s.Skip++
		}
	}
	switch {
	case s.Fail > 0:
		s.Status = diagnose.Fail
	case s.Warn > 0:
		s.Status = diagnose.Warn
	}
	return s
}

// report prints the checklist; a check that failed is an error too.
func (d *command) report() error {
	s := summarize(d.checks)
	var err error
	if d.json {
		err = cli.WriteIndentedJSON(d.streams.Out, ChecklistJSON{Checks: d.checks, Summary: s})
	} else {
		err = printChecks(d.streams.Out, d.checks, s)
	}
	if err == nil && s.Fail > 0 {
		err = fmt.Errorf("%d of %d checks failed", s.Fail, len(d.checks))
	}
	return err
}

// statusColours are the colours of the statuses.
var statusColours = map[diagnose.Status]string{diagnose.Pass: terminal.Green, diagnose.Warn: terminal.Yellow, diagnose.Fail: terminal.Red, diagnose.Skip: terminal.Dim}

func printChecks(w io.Writer, checks []diagnose.Check, s CheckSummaryJSON) error {
	p := terminal.PaletteFor(w)
	width := 0
	for _, c := range checks {
		width = max(width, len([]rune(title(c))))
	}
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s  %s  %s\n", p.Paint(statusColours[c.Status], terminal.Pad(string(c.Status), 4)), terminal.Pad(title(c), width), terminal.Printable(c.Detail))
		if c.Fix != "" {
			where := "fix"
			if c.FixIn != diagnose.InShell {
				where += ", in " + strings.Replace(c.FixIn, diagnose.InEnv, "the environment", 1)
			}
			fmt.Fprintf(&b, "      %s  %s\n", p.Paint(terminal.Dim, where+":"), p.Paint(terminal.Cyan, terminal.Printable(c.Fix)))
		}
	}
	fmt.Fprintf(&b, "\n%d pass, %d warn, %d fail, %d skipped\n", s.Pass, s.Warn, s.Fail, s.Skip)
	_, err := io.WriteString(w, b.String())
	return err
}

// title names a check in the list.
func title(c diagnose.Check) string {
	if c.Of == "" {
		return c.Name
	}
	return c.Name + " " + terminal.Printable(c.Of)
}
