package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

func (r *command) run(cmd *cobra.Command, _ []string) error {
	if err := r.check(); err != nil {
		return err
	}
	spec, given, err := r.arguments(cmd, time.Now())
	if err != nil {
		return err
	}
	cfg, client, err := cli.Connect(cmd, r.streams, "replay")
	if err != nil {
		return err
	}
	defer client.Close()
	var bar *terminal.Progress
	run, err := r.plan(cmd, client, spec, given, replay.Options{
		Streams: cli.StreamSpec(cfg),
		Who:     cli.UserAtHost(), Rate: r.rate, GiveUp: r.giveUp, Out: redact.Lines(r.streams.Out), Exact: r.dryRun,
		Progress: func(done int64) { bar.Reached(int(done)) },
	})
	if err != nil {
		return err
	}
	total, err := r.count(cmd.Context(), run)
	if err != nil {
		return err
	}
	view := RunJSON{Run: run.Name(), State: "dry-run", Filter: run.Filter(), Target: run.Target(), Events: total, Replayed: run.Done(), Skipped: run.Skipped()}
	if r.dryRun {
		return view.print(r.streams, r.json, r.file == "-")
	}
	if total == 0 {
		view.State = audit.Done
		return view.print(r.streams, r.json, r.file == "-")
	}
	if err := r.confirm(run, given, spec, total); err != nil {
		return err
	}
	bar = terminal.NewProgress(r.streams.Err, int(total))
	bar.Before = int(run.Done())
	began := time.Now()
	res, err := run.Do(cmd.Context())
	bar.Done()
	view.State, view.Events, view.Replayed, view.Skipped, view.Sequence = res.State, res.Total, res.Replayed, res.Skipped, res.Sequence
	view.Seconds = time.Since(began).Seconds()
	view.rate = float64(res.Replayed-run.Done()) / max(view.Seconds, 0.001)
	if res.Resumable {
		view.Resume = r.resumeLine(cmd, run.Name())
	}
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("stopped after %d of %d", res.Replayed, total)
	}
	return errors.Join(err, view.print(r.streams, r.json, r.file == "-"))
}

// count counts the chosen events, and shows its progress.
func (r *command) count(ctx context.Context, run *replay.Run) (int64, error) {
	n, note := 0, terminal.NewNote(r.streams.Err)
	defer note.Done()
	return run.Count(ctx, func() {
		n++
		note.Printf("counting: %d", n)
	})
}

// confirm asks before anything is published. It does not ask before an export to a file, nor
// when a script, which has no terminal, posts to its own host.
func (r *command) confirm(run *replay.Run, g replay.Given, s replay.Spec, total int64) error {
	u := s.Target.URL.URL
	if u == nil {
		u = g.URL.URL
	}
	if r.yes || run.To() == replay.ToFile || u != nil && value.IsLoopback(u.Hostname()) && !terminal.Is(r.streams.In) {
		return nil
	}
	what := english.Plural(int(total), "event", "")
	if done := run.Done(); done > 0 {
		what = fmt.Sprintf("the rest (%d of %s)", total-done, what)
	}
	return cli.Confirm(r.streams, fmt.Sprintf("Replay %s (%s) to %s?", what, terminal.Printable(run.Filter()), terminal.Printable(run.Target())))
}

// RunJSON is the output of a run. Its form is stable.
type RunJSON struct {
	Run      string  `json:"run"`
	State    string  `json:"state"` // done, stopped, failed, dry-run
	Filter   string  `json:"filter"`
	Target   string  `json:"target"`
	Events   int64   `json:"events"`   // chosen
	Replayed int64   `json:"replayed"` // of them
	Skipped  int64   `json:"skipped"`  // messages that are no events of the bridge
	Sequence uint64  `json:"sequence"` // of the event stream: all up to it is done
	Seconds  float64 `json:"seconds"`
	Resume   string  `json:"resume,omitempty"` // the command line to go on
	rate     float64
}

// print writes the view. Where the events go to standard output, it stays out of
// their way.
func (v RunJSON) print(streams cli.Streams, asJSON, toStdout bool) error {
	if asJSON {
		return cli.WriteJSON(streams.Out, v)
	}
	var b strings.Builder
	switch {
	case v.State == "dry-run":
		fmt.Fprintf(&b, "would replay %s (%s) to %s\n", english.Plural(int(v.Events-v.Replayed), "event", ""), terminal.Printable(v.Filter), terminal.Printable(v.Target))
	case v.Events == 0:
		fmt.Fprintf(&b, "no event is chosen (%s): nothing to replay\n", terminal.Printable(v.Filter))
	default:
		fmt.Fprintf(&b, "run %s: %s, %d of %s replayed to %s, in %s (%.0f/s)\n", v.Run, v.State, v.Replayed,
			english.Plural(int(v.Events), "event", ""), terminal.Printable(v.Target), time.Duration(v.Seconds*float64(time.Second)).Round(time.Millisecond), v.rate)
	}
	if v.Skipped > 0 {
		fmt.Fprintln(&b, cli.SkippedMessages(v.Skipped))
	}
	if v.Resume != "" {
		fmt.Fprintf(&b, "to go on: %s\n", v.Resume)
	}
	to := streams.Out
	if toStdout {
		to = streams.Err
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// resumeLine is the command line to go on with a run. What may not be shown is a
// variable in it.
func (r *command) resumeLine(cmd *cobra.Command, run string) string {
	words := []string{cmd.CommandPath(), "--resume", run}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		switch {
		case slices.Contains([]string{"phone", "session", "conversation"}, f.Name):
			words = append(words, fmt.Sprintf(`--%s "$%s"`, f.Name, strings.ToUpper(f.Name)))
		case f.Name == "to-url":
			words = append(words, `--to-url "$URL"`)
		case f.Name == "header":
			for range r.headers {
				words = append(words, `--header "$HEADER"`)
			}
		case f.Name == "nats-url" && strings.Contains(value, "@"):
			words = append(words, `--nats-url "$NATS_URL"`)
		case slices.Contains([]string{"config", "data-dir", "nats-url", "nats-context", "rate", "give-up", "timeout", "retries"}, f.Name):
			words = append(words, "--"+f.Name, cli.ShellWords(value))
		case (f.Name == "yes" || f.Name == "json") && value == "true":
			words = append(words, "--"+f.Name)
		}
	})
	return strings.Join(words, " ")
}
