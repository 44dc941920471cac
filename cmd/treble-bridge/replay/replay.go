// Package replay has the commands that publish stored events once more, and list such runs.
package replay

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

// command is the command that publishes stored events once more.
type command struct {
	streams cli.Streams
	filter  cli.FilterFlags

	subject string
	url     string
	headers []string
	timeout time.Duration
	retries int
	file    string
	force   bool

	resume string
	limit  int64
	rate   float64
	giveUp time.Duration
	dryRun bool
	yes    bool
	json   bool
}

const help = `Read events from the event stream, choose some of them, and publish them once more,
in order, with their envelopes byte for byte and their own ids. The end is the last
event that is stored when the run begins. What is no event of the bridge, such as a delete
marker, is skipped and counted. No bridge needs to run: --nats-url is enough.

Where they go (one of them):

  (default)           stream <publisher.stream>_REPLAY, on <prefix>-replay.<run>.<kind>;
                      made by the first replay, kept for 7 days. Exactly once per run.
  --to-subject S      the stream that captures S. {kind}, as a whole part of S, stands
                      for the kind. Exactly once per run.
  --to-url U          HTTP POST of the envelope (application/cloudevents+json), one after
                      the other: at least once. Network errors, 429 and 5xx are tried again
                      as often as --retries says, when Retry-After says; any other answer
                      but 2xx stops the run at that event.
  --to-file F         one envelope a line, exactly once; F must not exist. - is standard
                      output, where a run cannot be resumed. Line ends between the fields
                      of a body become blanks.

Messages keep their headers, and have Treble-Replay-Run, Treble-Replay-Sequence and
Treble-Replay-Stored (where and when the event was stored) besides; Nats-Msg-Id is
<run>.<sequence>. A POST has these three as headers.

A run that stopped, failed or was killed goes on with --resume RUN, also much later:
it reads what the target has of the run and publishes only what is missing. What was
missing in the middle, because the target refused it, then comes behind what it took.
A target that forgets (limits, a work queue whose messages were consumed) knows an
event again only within its duplicate window. When NATS goes away the run waits and
goes on; without progress for --give-up it fails, and can be resumed.

Each run leaves a record, see "treble-bridge replay list". It never holds a phone
number, a session, a conversation, a header, or more of a URL than scheme and host:
these are given again with --resume.

It counts first, and asks before it begins unless the target is a file; where nobody
can be asked, --yes is needed (not for a URL of this host). Subjects that the event
stream captures are refused without --force.

--json prints one object: run, state (done, stopped, failed; dry-run with --dry-run),
filter, target, events (chosen), replayed, skipped (messages that are no events of the
bridge), sequence (of the event stream: all up to it is done), seconds, and resume (the command line to go on), if there is one.`

// New returns the command replay.
func New(streams cli.Streams) *cobra.Command {
	r := &command{streams: streams}
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Publish stored events once more: to a stream, to a URL or to a file",
		Long:  help,
		Example: `  treble-bridge replay --since 2h --dry-run
  treble-bridge replay --kind 'message.*' --since 2026-01-31T08:00:00Z --until 2026-01-31T09:00:00Z
  treble-bridge replay --phone +573001234567 --to-file events.jsonl
  treble-bridge replay --since 1h --to-subject 'again.{kind}' --rate 100 --yes
  treble-bridge replay --since 1d --to-url https://app.example.com/events -H "Authorization: Bearer $TOKEN"
  treble-bridge replay --resume replay-k3x9t2abcd`,
		Args: cobra.NoArgs,
		RunE: r.run,
	}
	r.addFlags(cmd)
	cli.AddNATSFlags(cmd)
	cmd.AddCommand(newList(streams))
	return cmd
}

func (r *command) addFlags(cmd *cobra.Command) {
	r.filter.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&r.subject, "to-subject", "", "publish on this subject; {kind} stands for the kind")
	f.StringVar(&r.url, "to-url", "", "POST to this URL")
	f.StringArrayVarP(&r.headers, "header", "H", nil, "with --to-url: further header, as 'Name: value'; may be repeated; never shown")
	cli.DurationVar(f, &r.timeout, "timeout", 10*time.Second, "with --to-url: how long to wait for an answer")
	f.IntVar(&r.retries, "retries", 8, "with --to-url: how often to try an event again")
	f.StringVar(&r.file, "to-file", "", "write to this new file; - is standard output")
	f.BoolVar(&r.force, "force", false, "also into subjects that the event stream captures")
	f.StringVar(&r.resume, "resume", "", "go on with this run")
	f.Int64VarP(&r.limit, "limit", "n", 0, "stop after this many events; 0: no limit")
	f.Float64Var(&r.rate, "rate", 0, "events a second; 0: as fast as the target takes them")
	cli.DurationVar(f, &r.giveUp, "give-up", 5*time.Minute, "how long to wait without progress, such as for NATS to come back")
	f.BoolVar(&r.dryRun, "dry-run", false, "only count, and say what would be done")
	f.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&r.json, "json", false, "print one JSON object")
}

// arguments checks the flags of the run: those of a new one, or, with --resume, those that its record
// does not hold.
func (r *command) arguments(cmd *cobra.Command, now time.Time) (spec replay.Spec, given replay.Given, err error) {
	if r.resume != "" {
		given, err = r.given(cmd, now)
	} else {
		spec, err = r.spec(now)
	}
	return spec, given, err
}

// spec checks the flags of a new run.
func (r *command) spec(now time.Time) (replay.Spec, error) {
	s := replay.Spec{Limit: r.limit, Force: r.force, Target: replay.Target{To: replay.ToStream, Subject: r.subject}}
	var err error
	if s.Filter, err = r.filter.Filter(now); err != nil {
		return s, err
	}
	if cli.CountTrue(r.subject != "", r.url != "", r.file != "") > 1 {
		return s, cli.Usagef("--to-subject, --to-url and --to-file: use one of them")
	}
	switch {
	case r.url != "":
		s.Target.To = replay.ToURL
		s.Target.URL, err = r.urlTarget()
	case r.file != "":
		s.Target.To, s.Target.File = replay.ToFile, r.file
	}
	return s, err
}

// given checks the flags of a run that goes on: all else is on record.
func (r *command) given(cmd *cobra.Command, now time.Time) (replay.Given, error) {
	var g replay.Given
	for _, name := range []string{"kind", "source", "id", "since", "until", "from-seq", "to-seq",
		"to-subject", "to-file", "force", "limit"} {
		if cmd.Flags().Changed(name) {
			return g, cli.Usagef("--%s: leave it out with --resume: it is on record", name)
		}
	}
	f, err := r.filter.Filter(now)
	if err != nil {
		return g, err
	}
	g.Session, g.Conversation, g.Phone = f.Session, f.Conversation, f.Phone
	if r.url != "" {
		g.URL, err = r.urlTarget()
	}
	return g, err
}

func (r *command) urlTarget() (replay.URLTarget, error) {
	t := replay.URLTarget{Timeout: r.timeout, Retries: r.retries}
	var err error
	if t.URL, err = webhook.ParseURL("--to-url", r.url); err != nil {
		return t, err
	}
	t.Header, err = checkedHeaders(r.headers)
	return t, err
}

// checkedHeaders reads headers that HTTP takes. No error repeats one: it may be a
// secret.
func checkedHeaders(lines []string) (http.Header, error) {
	h, err := webhook.ParseHeaders(lines)
	if err != nil {
		return nil, err
	}
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }) {
			return nil, cli.Usagef("--header: use 'Name: value', without control characters")
		}
	}
	return h, nil
}

// check looks at the flags that every run has.
func (r *command) check() error {
	switch {
	case r.rate < 0:
		return cli.Usagef("--rate: use a number above 0, or 0 for no limit")
	case r.limit < 0:
		return cli.Usagef("--limit: use a number above 0, or 0 for no limit")
	case r.timeout <= 0:
		return cli.Usagef("--timeout: use a duration above 0, such as 10s")
	case r.retries < 0:
		return cli.Usagef("--retries: use 0 or more")
	case r.giveUp <= 0:
		return cli.Usagef("--give-up: use a duration above 0, such as 5m")
	case len(r.headers) > 0 && r.url == "":
		return cli.Usagef("--header: is for --to-url")
	case r.json && r.file == "-":
		return cli.Usagef("--json and --to-file -: both go to standard output; use one of them")
	}
	return nil
}

// plan opens the run that the command line asks for.
func (r *command) plan(cmd *cobra.Command, c *client.Client, s replay.Spec, g replay.Given, o replay.Options) (*replay.Run, error) {
	if r.resume != "" {
		run, err := replay.Resume(cmd.Context(), c, r.resume, g, o)
		if errors.Is(err, audit.ErrNoRun) {
			err = fmt.Errorf("--resume: %w; see treble-bridge replay list", err)
		}
		return run, err
	}
	run, err := replay.New(cmd.Context(), c, s, o)
	switch {
	case errors.Is(err, replay.ErrNoStream):
		return nil, fmt.Errorf("--to-subject: %w: make one", err)
	case errors.Is(err, replay.ErrCaptured):
		return nil, fmt.Errorf("--to-subject: %w, so the events would come again for everybody: use --force if that is what you want", err)
	}
	return run, err
}
