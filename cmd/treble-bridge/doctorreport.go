package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// checklist is what doctor --json prints. Its form is stable.
type checklist struct {
	Checks  []diagnose.Check `json:"checks"`
	Summary checkSummary     `json:"summary"`
}

// checkSummary counts the checks by their status.
type checkSummary struct {
	Status diagnose.Status `json:"status"` // the worst
	Pass   int             `json:"pass"`
	Warn   int             `json:"warn"`
	Fail   int             `json:"fail"`
	Skip   int             `json:"skip"`
}

func summarize(checks []diagnose.Check) checkSummary {
	s := checkSummary{Status: diagnose.Pass}
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
func (d *doctor) report() error {
	s := summarize(d.checks)
	var err error
	if d.json {
		enc := json.NewEncoder(d.io.out)
		enc.SetEscapeHTML(false) // or && in a fix could not be pasted
		enc.SetIndent("", "  ")
		err = enc.Encode(checklist{Checks: d.checks, Summary: s})
	} else {
		err = printChecks(d.io.out, d.checks, s)
	}
	if err == nil && s.Fail > 0 {
		err = fmt.Errorf("%d of %d checks failed", s.Fail, len(d.checks))
	}
	return err
}

// statusColours are the colours of the statuses.
var statusColours = map[diagnose.Status]string{diagnose.Pass: green, diagnose.Warn: yellow, diagnose.Fail: red, diagnose.Skip: dim}

func printChecks(w io.Writer, checks []diagnose.Check, s checkSummary) error {
	p := paletteFor(w)
	width := 0
	for _, c := range checks {
		width = max(width, len([]rune(title(c))))
	}
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s  %s  %s\n", p.paint(statusColours[c.Status], pad(string(c.Status), 4)), pad(title(c), width), printable(c.Detail))
		if c.Fix != "" {
			where := "fix"
			if c.FixIn != diagnose.InShell {
				where += ", in " + strings.Replace(c.FixIn, diagnose.InEnv, "the environment", 1)
			}
			fmt.Fprintf(&b, "      %s  %s\n", p.paint(dim, where+":"), p.paint(cyan, printable(c.Fix)))
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
	return c.Name + " " + printable(c.Of)
}
