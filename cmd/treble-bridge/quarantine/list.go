package quarantine

import (
	"bufio"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/quarantine"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// listCommand is the command that lists refused bodies.
type listCommand struct {
	streams cli.Streams
	flags   choiceFlags
	json    bool
	showPII bool
}

func newList(streams cli.Streams) *cobra.Command {
	l := &listCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the bodies that were refused, and count them by reason",
		Long: `List the refused bodies in the quarantine, the one that was kept first before the
others: when each was received, why it was refused, the source, the size in bytes,
the id and the path. A last line counts them by reason. The bodies themselves are
not read.

The reasons: not-json, not-object, too-deep, too-many-events, missing-fields,
kind-not-accepted; content-type and content-encoding, of what came with such a
header and is no JSON; not-found, of what came with a source's secret to a path that
none serves; unauthorized, of what came without the credentials of the source, which
keeps some of them (auth.keep_refused); body-too-large and body-incomplete, of which
only the first 64 KiB are kept. The quarantine keeps bodies for 30 days, and at most 1 GiB of
them; the oldest go first. Long numbers in a path are masked, since they may be
phones; --show-pii shows them.

--json prints one object a line: id, received (RFC 3339), reason, violations (field,
problem), source, path, test (the run of send; absent if none), size.`,
		Example: `  treble-bridge quarantine list
  treble-bridge quarantine list --reason missing-fields --since 2h
  treble-bridge quarantine list --json | jq -r '.violations[].field' | sort | uniq -c`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := l.flags.filter(nil, time.Now())
			if err != nil {
				return err
			}
			return withQuarantine(cmd, streams, func(q *opened) error {
				return l.print(cmd, q, filter)
			})
		},
	}
	l.flags.add(cmd, "until")
	cmd.Flags().BoolVar(&l.json, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&l.showPII, "show-pii", false, "do not mask long numbers in paths")
	cli.AddNATSFlags(cmd)
	return cmd
}

// BodyJSON is a refused body as it is listed. Its form is stable.
type BodyJSON struct {
	ID         string               `json:"id"`
	Received   time.Time            `json:"received"`
	Reason     schema.Reason        `json:"reason"`
	Violations []delivery.Violation `json:"violations"`
	Source     string               `json:"source"`
	Path       string               `json:"path"`
	Test       string               `json:"test,omitempty"`
	Size       int64                `json:"size"`
}

func viewOf(q quarantine.Body, showPII bool) BodyJSON {
	v := BodyJSON{
		ID: q.ID, Received: q.Received.UTC(), Reason: q.Reason, Violations: append([]delivery.Violation{}, q.Violations...),
		Source: q.Source, Path: q.Path, Test: q.TestRun, Size: q.Size,
	}
	if !showPII {
		v.Path = phone.HideLong(v.Path)
	}
	return v
}

// print writes line by line, however many there are.
func (l *listCommand) print(cmd *cobra.Command, q *opened, f quarantine.Filter) error {
	out := bufio.NewWriter(l.streams.Out)
	p := terminal.PaletteFor(l.streams.Out)
	const row = "%-20s  %s  %-*s  %10v  %-22s  %s\n"
	source := len("SOURCE")
	total, skipped, reasons := int64(0), int64(0), map[schema.Reason]int{}
	line := func(item quarantine.Body) error {
		total++
		reasons[item.Reason]++
		v := viewOf(item, l.showPII)
		if l.json {
			return cli.WriteJSON(out, v)
		}
		if total == 1 {
			fmt.Fprintf(out, row, "RECEIVED", terminal.Pad("REASON", reasonWidth), source, "SOURCE", "SIZE", "ID", "PATH")
		}
		source = max(source, len(v.Source)) // the later lines are in line again
		_, err := fmt.Fprintf(out, row, v.Received.Truncate(time.Second).Format(time.RFC3339), p.Paint(terminal.Yellow, terminal.Pad(terminal.Printable(string(v.Reason)), reasonWidth)),
			source, terminal.Printable(v.Source), v.Size, terminal.Printable(v.ID), terminal.Shorten(terminal.Printable(v.Path), pathWidth))
		return err
	}
	var err error
	for item, failed := range q.Select(cmd.Context(), f, &skipped) {
		if err = failed; err == nil {
			err = line(item)
		}
		if err != nil {
			break
		}
	}
	switch {
	case err != nil || l.json:
	case total == 0 && l.flags.empty():
		_, err = fmt.Fprintln(out, "the quarantine is empty")
	case total == 0:
		_, err = fmt.Fprintln(out, "nothing in the quarantine is chosen by these flags")
	default:
		_, err = fmt.Fprintf(out, "%s%s\n", refusedBodies(total), byReason(reasons))
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if skipped > 0 {
		fmt.Fprintln(l.streams.Err, english.Plural(int(skipped), "message was", "messages were")+" skipped: no refused bodies")
	}
	return err
}

// The widths of columns, in characters.
const (
	reasonWidth = len(schema.ReasonKindForbidden)
	pathWidth   = 60
)
