// Package events has the commands that show events of the stream: events, and tail.
package events

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// command is the command that shows stored events.
type command struct {
	streams cli.Streams
	filter  cli.FilterFlags
	limit   int
	format  eventFormat

	skipped int64 // messages that are no events
}

// How many events are shown unless --limit says so.
const (
	listLimit     = 20
	timelineLimit = 1000 // of a session one wants all, and the lines of a terminal are not for ever
)

// New returns the command events.
func New(streams cli.Streams) *cobra.Command {
	e := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "events [ID | SEQUENCE]",
		Short: "Show stored events: the newest, those of a session or a person, or one in full",
		Long: `Read the event stream and show the newest events that the flags choose, one a line:
the sequence in the stream, and then what "tail" shows. Nothing in the stream
changes, and no bridge needs to run: --nats-url is enough.

With an id or a sequence, one event in full: the envelope, what was normalised, the
warnings, and the body as Treble sent it. An id that is stored twice shows its
newest event.

With --session, a timeline: the events in the order in which they happened, by their
own times and not by those of storage, each with the time since the one before; then
how long all of it took, and what one would expect and is not stored. Marked are:

  before-delivered  it happened before message.delivered of the same message
  before-read       it happened before message.read of the same message
  not-delivered     others of the session have a message.delivered, its message has none
  after-closed      it happened after conversation.closed
  late              it was stored behind an event that happened after it
  repeated          its id is in the stream more than once
  no-time           it has no time of its own: the time is that of its receipt

The newest 20 are shown, of a session 1000; --limit says how many, 0 for all. Where
there are more, standard error says so. --raw prints the body as Treble sent it.

Phone numbers are masked as "tail" does; --show-pii prints everything as it is.

--json prints one object a line: sequence, stored (RFC 3339: when the stream took it),
subject, event (the envelope). With
--session also gap_ms (since the event before, 0 for the first) and marks (what is odd:
a list of before-delivered, before-read, not-delivered, after-closed, late, repeated,
no-time; mostly empty).

The exit code is 0 if the stream could be read, whatever is in it, and 1 if the event
with that id or sequence is not there.`,
		Example: `  treble-bridge events
  treble-bridge events --session d2fa98d29a8b4c71
  treble-bridge events --phone +573001234567 --since 7d
  treble-bridge events --kind deployment.failed --since 24h --limit 0
  treble-bridge events 4711
  treble-bridge events kf5c2m7xqa3vbnd6zt4hj2lwye --raw | jq .
  treble-bridge events --session d2fa98d29a8b4c71 --json | jq '{gap_ms, type: .event.type}'`,
		Args: cobra.MaximumNArgs(1),
		RunE: e.run,
	}
	e.filter.Add(cmd)
	f := cmd.Flags()
	f.IntVarP(&e.limit, "limit", "n", listLimit, "show the newest N; 0: all")
	e.format.addFlags(cmd, "print one JSON object a line")
	cli.AddNATSFlags(cmd)
	return cmd
}

func (e *command) run(cmd *cobra.Command, args []string) error {
	filter, err := e.options(cmd, args, time.Now())
	if err != nil {
		return err
	}
	e.format.shownOn(e.streams.Out)
	_, client, err := cli.Connect(cmd, e.streams, "events")
	if err != nil {
		return err
	}
	defer client.Close()
	switch {
	case len(args) > 0 || filter.ID != "":
		err = e.one(cmd.Context(), client, filter)
	case filter.Session != "":
		err = e.timeline(cmd.Context(), client, filter)
	default:
		err = e.list(cmd.Context(), client, filter)
	}
	if e.skipped > 0 && err == nil {
		fmt.Fprintln(e.streams.Err, cli.SkippedMessages(e.skipped))
	}
	return err
}

// options checks the command line.
func (e *command) options(cmd *cobra.Command, args []string, now time.Time) (client.Filter, error) {
	f, err := e.filter.Filter(now)
	if err == nil {
		err = e.format.check()
	}
	switch {
	case err != nil:
		return f, err
	case e.limit < 0:
		return f, cli.Usagef("--limit: use a number above 0, or 0 for no limit")
	}
	if f.Session != "" && !cmd.Flags().Changed("limit") {
		e.limit = timelineLimit
	}
	if len(args) == 0 {
		return f, nil
	}
	if !e.filter.Empty() {
		return f, cli.Usagef("%q and flags that choose: use one of them", terminal.Printable(args[0]))
	}
	if n, err := strconv.ParseUint(args[0], 10, 64); err == nil && n > 0 {
		return client.Filter{FromSeq: n, ToSeq: n}, nil
	}
	return client.Filter{ID: args[0]}, nil
}
