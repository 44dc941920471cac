package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// tailCommand is the command that follows the event stream.
type tailCommand struct {
	streams  cli.Streams
	kinds    []string
	session  string
	since    string
	noFollow bool
	limit    int
	format   eventFormat

	skipped int64 // messages that are no events
}

// NewTail returns the command tail.
func NewTail(streams cli.Streams) *cobra.Command {
	t := &tailCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Watch the events in the stream",
		Long: `Follow the event stream and print one line per event: time, kind, session, phone
and a hint of what it says. It starts with the next event, or with --since
further back, and goes on when NATS was away. Nothing in the stream changes.

Phone numbers are masked in every form of output: all digits but the last two
become *, wherever they stand in the document, and so does every other number of
seven digits or more in a text, which may be a phone: a number that may be one
becomes a string; raw_base64 is emptied. Times, coordinates and the ids of events
and flows stay. A session whose id may be a phone is shown masked behind a tag,
such as #kqvmhs**********67: sessions with the same tag are the same one within an
output, and the next command has other tags. --show-pii prints everything as it is.

What is no event of the bridge, such as a delete marker, is skipped, and counted on
standard error at the end.

--json prints one object a line: the envelope of the event, see docs/events.md.`,
		Example: `  treble-bridge tail
  treble-bridge tail --since 2h --kind message.read --kind message.responded
  treble-bridge tail --session d2fa98d29a --since 2026-01-31T08:00:00Z --no-follow
  treble-bridge tail --json --show-pii | jq .data.session_keys`,
		Args: cobra.NoArgs,
		RunE: t.run,
	}
	f := cmd.Flags()
	f.StringArrayVar(&t.kinds, "kind", nil, "only events of this kind, such as message.read or message.*; may be repeated")
	f.StringVar(&t.session, "session", "", "only events of this session: its id or the beginning of it")
	f.StringVar(&t.since, "since", "", "begin with what was stored at this time (RFC 3339) or this long ago (2h)")
	f.BoolVar(&t.noFollow, "no-follow", false, "stop after the last stored event; without --since from the first one")
	f.IntVarP(&t.limit, "limit", "n", 0, "stop after this many events")
	t.format.addFlags(cmd, "print the envelope, one a line")
	cli.AddNATSFlags(cmd)
	cli.CompleteFlag(cmd, "kind", schema.Kinds())
	return cmd
}

func (t *tailCommand) run(cmd *cobra.Command, _ []string) error {
	follow, kinds, err := t.options(time.Now())
	if err != nil {
		return err
	}
	t.format.shownOn(t.streams.Out)
	_, client, err := cli.Connect(cmd, t.streams, "tail")
	if err != nil {
		return err
	}
	defer client.Close()
	for _, kind := range kinds {
		follow.Subjects = append(follow.Subjects, client.Prefix().Subject(kind))
	}
	log := cli.NewCommandLogger(t.streams)
	err = t.follow(cmd.Context(), client, follow, log)
	if t.skipped > 0 {
		fmt.Fprintln(t.streams.Err, cli.SkippedMessages(t.skipped))
	}
	if cmd.Context().Err() != nil {
		return nil // Ctrl-C is how one ends it
	}
	return err
}

// options checks the flags.
func (t *tailCommand) options(now time.Time) (o client.FollowOptions, kinds []schema.Kind, err error) {
	o.StopAtEnd = t.noFollow
	if kinds, err = client.MatchKinds(t.kinds); err != nil {
		return o, nil, cli.Usagef("--kind: %w", err)
	}
	if err := t.format.check(); err != nil {
		return o, nil, err
	}
	if t.limit < 0 {
		return o, nil, cli.Usagef("--limit: use a number above 0")
	}
	if t.since == "" {
		o.FromStart = t.noFollow
		return o, kinds, nil
	}
	if o.Since, err = cli.ParseSince(t.since, now); err != nil {
		return o, nil, cli.Usagef("--since: %w", err)
	}
	return o, kinds, nil
}

// How long to wait before the stream is asked again, and from which age on a
// failed Follow is taken for an interruption instead of a wrong set-up.
const (
	retryPause = time.Second
	settled    = 5 * time.Second
)

// follow prints events until it is done. When the stream cannot be read any
// more, it begins again behind the last event.
func (t *tailCommand) follow(ctx context.Context, c *client.Client, o client.FollowOptions, log *zap.Logger) error {
	shown, last, began := 0, uint64(0), time.Now()
	for {
		var failed error
		for m, err := range c.Follow(ctx, o) {
			if failed = err; err != nil {
				break
			}
			if m.Sequence <= last {
				continue // seen before the interruption
			}
			last = m.Sequence
			o.Since, o.FromStart = m.Stored, false
			if !m.IsEvent() {
				t.skipped++
				continue
			}
			if !t.wanted(m) {
				continue
			}
			if _, err := t.streams.Out.Write(t.format.line(m)); err != nil {
				return err
			}
			if shown++; t.limit > 0 && shown >= t.limit {
				return nil
			}
		}
		if failed == nil || ctx.Err() != nil || time.Since(began) < settled {
			return failed
		}
		log.Warn("reading the stream was interrupted; trying again", zap.Error(failed))
		if err := client.Sleep(ctx, retryPause); err != nil {
			return err
		}
	}
}

// wanted reports whether an event is of the session asked for.
func (t *tailCommand) wanted(s client.Message) bool {
	if t.session == "" {
		return true
	}
	e, err := schema.Decode(s.Data)
	return err == nil && (strings.HasPrefix(e.Subject, t.session) || strings.HasPrefix(e.Data.Base().SessionID, t.session))
}
