package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// eventFormat says how an event is shown.
type eventFormat struct {
	raw, json bool
	showPII   bool
	terminal  bool // the output is one, so nothing may steer it
	palette   terminal.Palette
}

// addFlags registers the flags that choose a form; json says what --json prints.
func (f *eventFormat) addFlags(cmd *cobra.Command, json string) {
	flags := cmd.Flags()
	flags.BoolVar(&f.raw, "raw", false, "print the body as Treble sent it")
	flags.BoolVar(&f.json, "json", false, json)
	flags.BoolVar(&f.showPII, "show-pii", false, "do not mask phone numbers")
}

// check reports flags that do not go together.
func (f *eventFormat) check() error {
	if f.raw && f.json {
		return cli.Usagef("--raw and --json: use one of them")
	}
	return nil
}

// shownOn sets the format up for an output.
func (f *eventFormat) shownOn(out io.Writer) {
	f.terminal, f.palette = terminal.Is(out), terminal.PaletteFor(out)
}

// line returns the output for a message, with the line end.
func (f eventFormat) line(s client.Message) []byte {
	data := s.Data
	if !f.showPII {
		data = redact.Mask(data)
	}
	var out []byte
	switch {
	case f.json:
		var b bytes.Buffer
		if json.Compact(&b, data) != nil {
			b.Reset()
			b.Write(redact.QuoteJSON(string(data)))
		}
		out = redact.Harmless(b.Bytes())
	case f.raw && f.terminal:
		out = redact.Harmless(f.body(data))
	case f.raw:
		out = f.body(data) // in a pipe every byte stays
	default:
		out = []byte(f.human(s, data))
	}
	return append(out, '\n')
}

// body returns the body as Treble sent it: the exact bytes, if they were not
// valid UTF-8 and need not be masked.
func (f eventFormat) body(data []byte) []byte {
	e, err := schema.Decode(data)
	if err != nil {
		return data
	}
	if exact := e.Data.Base().RawBase64; len(exact) > 0 && f.showPII && !f.terminal {
		return exact
	}
	return e.Data.Base().Raw
}

// human formats an event as a line for a terminal.
func (f eventFormat) human(s client.Message, data []byte) string {
	e, err := schema.Decode(data)
	if err != nil {
		// Of a later version; or a number of it that looks like a phone is hidden.
		return fmt.Sprintf("%s  %s", s.Stored.Local().Format("2006-01-02 15:04:05"),
			f.palette.Paint(terminal.Red, fmt.Sprintf("event %d on %s cannot be shown in words: use --json", s.Sequence, terminal.Printable(s.Subject))))
	}
	base := e.Data.Base()
	parts := []string{
		f.palette.Paint(terminal.Dim, e.Time.Local().Format("2006-01-02 15:04:05")),
		f.palette.Paint(kindColour(e.Kind), terminal.Pad(string(e.Kind), kindWidth)),
		f.palette.Paint(terminal.Dim, terminal.Pad(terminal.Shorten(terminal.Printable(e.Subject), sessionWidth), sessionWidth)),
	}
	if base.Phone != "" {
		parts = append(parts, terminal.Printable(base.Phone))
	}
	if h := hint(e); h != "" {
		parts = append(parts, terminal.Shorten(terminal.Printable(h), hintWidth))
	}
	if base.Test {
		parts = append(parts, f.palette.Paint(terminal.Dim, "[test]"))
	}
	if n := len(base.Warnings); n > 0 {
		parts = append(parts, f.palette.Paint(terminal.Yellow, fmt.Sprintf("[warnings: %d]", n)))
	}
	return strings.TrimRight(strings.Join(parts, "  "), " ")
}

// The widths of the columns, in characters.
const (
	kindWidth    = len("conversation.closed")
	sessionWidth = 11 // enough to tell sessions apart, and to paste into --session without the dots
	hintWidth    = 60
)

func kindColour(k schema.Kind) string {
	switch k {
	case schema.KindMessageResponded:
		return terminal.Green
	case schema.KindDeploymentFailed, schema.KindContactOptedOut:
		return terminal.Red
	case schema.KindFlowUnrecognized, schema.KindUnrecognized, schema.KindMessageTimedOut:
		return terminal.Yellow
	}
	return terminal.Cyan
}

// hint sums an event up in a few words.
func hint(e schema.Event) string {
	switch p := e.Data.(type) {
	case *schema.MessageRead:
		return quoted(p.SentText)
	case *schema.MessageDelivered:
		return quoted(p.SentText)
	case *schema.MessageResponded:
		if p.ClassifiedAnswer != "" && p.ClassifiedAnswer != p.ActualResponse {
			return quoted(p.ActualResponse) + " → " + p.ClassifiedAnswer
		}
		return quoted(p.ActualResponse)
	case *schema.MessageTimedOut:
		if p.Question != nil {
			return "no answer to " + quoted(p.Question.Text)
		}
	case *schema.ContactOptedOut:
		return quoted(p.ClassifiedAnswer)
	case *schema.ConditionEvaluated:
		if p.Variable != nil && p.Condition != nil {
			return fmt.Sprintf("%s = %s, %s %s", p.Variable.Name, p.Variable.Value, p.Condition.Operator, p.Condition.Value)
		}
	case *schema.ConversationClosed:
		return closedHint(p)
	case *schema.HSMStatusChanged:
		if p.HSM != nil {
			return p.HSM.Name + " " + p.Status
		}
		return p.Status
	case *schema.DeploymentFailed:
		return p.FailureReason
	case *schema.Unrecognized:
		return p.EventType
	}
	return ""
}

func closedHint(p *schema.ConversationClosed) string {
	text := fmt.Sprintf("%d messages", len(p.Messages))
	if len(p.Messages) == 1 {
		text = "1 message"
	}
	if p.HSM != nil && p.HSM.Name != "" {
		text += ", " + p.HSM.Name
	}
	return text
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return "“" + s + "”"
}
