// Package consumers implements the command that shows the progress of the event stream's consumers.
package consumers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/client"
)

// command is the command that shows how far the consumers are.
type command struct {
	streams    cli.Streams
	all        bool
	maxLag     time.Duration
	maxPending int64
	json       bool
}

// New returns the command consumers.
func New(streams cli.Streams) *cobra.Command {
	c := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "consumers [NAME…]",
		Short: "Show who reads the event stream, and how far behind each is",
		Long: `List the durable consumers of the event stream, or those that are named, and how far
each is. Nothing is changed, and no bridge needs to run: --nats-url is enough.

  PENDING  messages that it was not given yet
  UNACKED  messages that it was given and has not acknowledged
  AGAIN    messages of those that it was given more than once
  LAG      age of the oldest message that it has not acknowledged, since it was stored
  WAITING  requests for messages that wait at the server, as a sign that somebody reads
  ACKED    sequence up to which everything is acknowledged, and since when

Below stands what looks wrong: paused; nobody reads; no room for further messages
before some are acknowledged. --all shows consumers besides that the server forgets
when nobody uses them, such as those of "tail".

For a check, --max-lag and --max-pending make the exit code 1 if a consumer that is
shown is further behind: older, or with more messages pending and not acknowledged. It
is 1 as well if a consumer that is named is not there.

--json prints one object a line: name, durable, push, subjects (empty: all), pending,
ack_pending, redelivered, waiting, delivered and acked (sequence, at: RFC 3339, null if
never), oldest (sequence, at, null if there is none), lag_ms, paused, full, notes (what
looks wrong, in words that may change).`,
		Example: `  treble-bridge consumers
  treble-bridge consumers billing --max-lag 5m --max-pending 10000
  treble-bridge consumers --all
  treble-bridge consumers --json | jq 'select(.lag_ms > 60000) | .name'`,
		RunE: c.run,
	}
	f := cmd.Flags()
	f.BoolVar(&c.all, "all", false, "also consumers that are not durable")
	cli.DurationVar(f, &c.maxLag, "max-lag", 0, "exit with 1 if a lag is above it; 0: no check")
	f.Int64Var(&c.maxPending, "max-pending", -1, "exit with 1 if more messages are pending and not acknowledged; -1: no check")
	f.BoolVar(&c.json, "json", false, "print one JSON object a line")
	cli.AddNATSFlags(cmd)
	return cmd
}

func (c *command) run(cmd *cobra.Command, names []string) error {
	switch {
	case c.maxLag < 0:
		return cli.Usagef("--max-lag: use a duration above 0, such as 5m")
	case c.maxPending < 0 && cmd.Flags().Changed("max-pending"):
		return cli.Usagef("--max-pending: use a number of messages, such as 10000")
	}
	_, client, err := cli.Connect(cmd, c.streams, "consumers")
	if err != nil {
		return err
	}
	defer client.Close()
	states, err := client.Consumers(cmd.Context(), c.all || len(names) > 0)
	if err != nil {
		return err
	}
	var absent []string
	if len(names) > 0 {
		if states, absent = named(states, names); len(absent) > 0 {
			err = fmt.Errorf("no such consumer: %s; see treble-bridge consumers --all", terminal.Printable(strings.Join(absent, ", ")))
		}
	}
	if printErr := c.print(string(client.Events()), states, len(names) > 0); printErr != nil {
		return printErr
	}
	return errors.Join(err, c.check(states))
}

func named(states []client.ConsumerState, names []string) (chosen []client.ConsumerState, absent []string) {
	for _, s := range states {
		if slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(states, func(s client.ConsumerState) bool { return s.Name == name }) {
			absent = append(absent, name)
		}
	}
	return chosen, absent
}

// check is an error if a consumer is further behind than it may be.
func (c *command) check(states []client.ConsumerState) error {
	var late []string
	for _, s := range states {
		switch {
		case c.maxLag > 0 && s.Lag > c.maxLag:
			late = append(late, fmt.Sprintf("%s: its lag is %s, above %s", terminal.Printable(s.Name), cli.Span(s.Lag), cli.Span(c.maxLag)))
		case c.maxPending >= 0 && s.Outstanding() > uint64(c.maxPending):
			late = append(late, fmt.Sprintf("%s: %d messages are pending or not acknowledged, above %d", terminal.Printable(s.Name), s.Outstanding(), c.maxPending))
		}
	}
	if len(late) == 0 {
		return nil
	}
	return fmt.Errorf("%s too far behind:\n%s", english.Plural(len(late), "consumer is", "consumers are"), strings.Join(late, "\n"))
}

// quiet is the time without a delivery, while messages are pending, after which a consumer
// is reported as not read.
const quiet = 30 * time.Second

// notes describe conditions that keep a consumer from its messages.
func notes(s client.ConsumerState) []string {
	notes := []string{}
	switch {
	case s.Paused:
		notes = append(notes, "it is paused")
	case s.Full:
		notes = append(notes, fmt.Sprintf("it gets nothing more before it acknowledges some of the %d that it has (max_ack_pending)", s.AckPending))
	case s.Pending == 0:
	case s.Push && !s.Bound:
		notes = append(notes, "nobody is subscribed to it")
	case !s.Push && s.Waiting == 0 && s.Asked.Sub(s.Delivered.At) > quiet:
		notes = append(notes, "nobody asks it for messages")
	}
	if s.Redelivered > 0 {
		notes = append(notes, english.Plural(int(s.Redelivered), "message was", "messages were")+" given more than once and not acknowledged since: its handler fails, or takes longer than ack_wait")
	}
	return notes
}
