package quarantine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
)

// showCommand is the command that shows one refused body.
type showCommand struct {
	streams            cli.Streams
	raw, json, showPII bool
}

func newShow(streams cli.Streams) *cobra.Command {
	s := &showCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a refused body: what is wrong with it, how it came, what it says",
		Long: `Show one refused body: why it was refused, field by field, the headers that it came
with (without secrets), and the body itself.

Phone numbers are masked: all digits of a long number but the last two become *.
Of a body that is not JSON every digit is masked, since nobody can tell what is a
phone in it. --show-pii shows everything. --raw writes the exact bytes of the body
to a pipe or a file, with nothing around and nothing masked.

--json prints one object: id, received, reason, violations (field, problem), source,
path, test and size as "quarantine list" has them, request_headers ("Name: value"), and
the body as body if it is JSON, else as body_text; with --show-pii what is not JSON is
the exact bytes as body_base64 instead.`,
		Example: `  treble-bridge quarantine show ALKJ3H1BQPTL2MD6Q6VX5Z
  treble-bridge quarantine show ALKJ3H1BQPTL2MD6Q6VX5Z --raw > body.json
  treble-bridge quarantine show ALKJ3H1BQPTL2MD6Q6VX5Z --json --show-pii | jq .body`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case s.raw && s.json:
				return cli.Usagef("--raw and --json: use one of them")
			case s.raw && terminal.Is(streams.Out):
				return cli.Usagef("--raw: the bytes could steer this terminal, and are not masked: write them to a file or a pipe")
			}
			return withQuarantine(cmd, streams, func(q *opened) error {
				c, err := q.chooseAll(cmd.Context(), quarantine.Filter{IDs: args})
				if err != nil {
					return err
				}
				item, err := q.Get(cmd.Context(), c.seqs[0])
				if err != nil {
					return err
				}
				return s.print(item)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&s.raw, "raw", false, "write the body alone, byte for byte, to a file or a pipe")
	f.BoolVar(&s.json, "json", false, "print one JSON object")
	f.BoolVar(&s.showPII, "show-pii", false, "do not mask phone numbers")
	cli.AddNATSFlags(cmd)
	return cmd
}

// ShownBodyJSON is a refused body as it is shown. Its form is stable.
type ShownBodyJSON struct {
	BodyJSON
	RequestHeaders []string        `json:"request_headers"`
	Body           json.RawMessage `json:"body,omitempty"`
	Text           *string         `json:"body_text,omitempty"`
	Base64         []byte          `json:"body_base64,omitempty"`
}

func (s *showCommand) print(q quarantine.Body) error {
	if s.raw {
		_, err := s.streams.Out.Write(q.Data)
		return err
	}
	v := ShownBodyJSON{BodyJSON: viewOf(q, s.showPII), RequestHeaders: append([]string{}, q.RequestHeaders...)}
	if !s.showPII {
		for i, line := range v.RequestHeaders {
			v.RequestHeaders[i] = redact.MaskHeader(line)
		}
	}
	if s.json {
		return s.printJSON(q, v)
	}
	var b strings.Builder
	p := terminal.PaletteFor(s.streams.Out)
	line := func(name, value string) { fmt.Fprintf(&b, "%-10s %s\n", name, terminal.Printable(value)) }
	line("id", v.ID)
	line("received", v.Received.Format(time.RFC3339Nano))
	fmt.Fprintf(&b, "%-10s %s\n", "reason", p.Paint(terminal.Red, terminal.Printable(string(v.Reason))))
	for _, x := range v.Violations {
		line("", x.String())
	}
	line("source", v.Source)
	line("path", v.Path)
	if v.Test != "" {
		line("test", v.Test)
	}
	line("size", value.FormatBytes(v.Size))
	for i, h := range v.RequestHeaders {
		name := ""
		if i == 0 {
			name = "headers"
		}
		line(name, h)
	}
	fmt.Fprintf(&b, "\n%s\n", s.body(q.Data))
	_, err := s.streams.Out.Write([]byte(b.String()))
	return err
}

func (s *showCommand) printJSON(q quarantine.Body, v ShownBodyJSON) error {
	isJSON := json.Valid(q.Data) && utf8.Valid(q.Data)
	switch {
	case isJSON && s.showPII:
		v.Body = q.Data
	case isJSON:
		v.Body = redact.MaskRefused(q.Data)
	case s.showPII:
		v.Base64 = q.Data
	default:
		text := string(redact.MaskRefused(q.Data))
		v.Text = &text
	}
	return cli.WriteJSON(s.streams.Out, v)
}

// body is the body for people: JSON is indented, of anything else what could steer a terminal is
// escaped, also in a pipe, whose end may be one.
func (s *showCommand) body(body []byte) []byte {
	if len(body) == 0 {
		return []byte("(the body is empty)")
	}
	if !s.showPII {
		body = redact.MaskRefused(body)
	}
	if !json.Valid(body) {
		var lines []string
		for line := range strings.Lines(strings.ToValidUTF8(string(body), "\ufffd")) {
			lines = append(lines, terminal.Printable(strings.TrimRight(line, "\r\n")))
		}
		return []byte(strings.Join(lines, "\n"))
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, bytes.TrimSpace(body), "", "  ") != nil {
		return body // not reached: it is valid
	}
	return redact.Harmless(pretty.Bytes())
}
