package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// setAsideRetry is the command that publishes what was set aside.
type setAsideRetry struct {
	io   stdio
	all  bool
	yes  bool
	json bool
}

func newSetAsideRetry(io stdio) *cobra.Command {
	r := &setAsideRetry{io: io}
	cmd := &cobra.Command{
		Use:   "retry [FILE…]",
		Short: "Publish what was set aside, and remove what JetStream took",
		Long: `Publish messages from the set-aside to the stream that they belong to, the oldest
first: events to publisher.stream, refused bodies to the quarantine. A file is
removed only when JetStream has acknowledged its message; otherwise it stays, and
the reason is printed. An event keeps its id, so that one which the stream holds
already is not stored twice within the duplicate window. It comes behind what was
published meanwhile.

NATS is that of nats.url, or else the embedded one of the running bridge. It asks
before it begins. The exit code is 1 if anything is left.

--json prints one object a line: file, id, stored (whether JetStream has it, and the
file is gone), stream, sequence, duplicate (it had it before), error (why the file is
still there).`,
		Example: `  treble-bridge journal set-aside retry --all
  treble-bridge journal set-aside retry 20260131T080000.000000000Z-abc.msg
  treble-bridge journal set-aside retry --all --yes --json`,
		RunE: r.run,
	}
	f := cmd.Flags()
	f.BoolVar(&r.all, "all", false, "all files")
	f.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&r.json, "json", false, "print one JSON object a line")
	addNATSFlag(cmd)
	return cmd
}

func (r *setAsideRetry) run(cmd *cobra.Command, names []string) error {
	if r.all == (len(names) > 0) {
		return usagef("say which: the names of files (see treble-bridge journal set-aside list), or --all")
	}
	loaded, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	files := setaside.OpenDir(loaded.DataDir)
	if r.all {
		if names, err = files.Files(); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		fmt.Fprintln(r.io.err, "the set-aside is empty")
		return nil
	}
	if !r.yes {
		question := fmt.Sprintf("Publish %s, and remove each file that JetStream took?", count(int64(len(names)), "message", "messages"))
		if err := confirm(r.io, question); err != nil {
			return err
		}
	}
	client, err := openClient(cmd, &loaded.Config, r.io, "set-aside")
	if err != nil {
		return err
	}
	retrier := setaside.NewRetrier(client.Broker(), files, setaside.RetryOptions{
		Events: client.Events(), Prefix: client.Prefix(), Timeout: client.Timeout(),
	})
	defer retrier.Close()
	return r.retry(cmd.Context(), retrier, files, names)
}

// retry publishes one message after the other, until NATS does not answer any
// more.
func (r *setAsideRetry) retry(ctx context.Context, retrier *setaside.Retrier, files setaside.Dir, names []string) error {
	left := 0
	for i, name := range names {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %d of %d are left", left+len(names)-i, len(names))
		}
		m, err := files.Read(name)
		var done setaside.Retried
		if err == nil {
			done, err = retrier.Retry(ctx, m)
		}
		if err != nil {
			left++
		}
		if printErr := r.print(name, m.ID, done, err); printErr != nil {
			return printErr
		}
		if rest := len(names) - i - 1; errors.Is(err, setaside.ErrAway) && rest > 0 {
			return fmt.Errorf("%d of %d are left, %d of them not tried: %w", left+rest, len(names), rest, setaside.ErrAway)
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d are left", left, len(names))
	}
	return nil
}

// retryLine is what became of one file. Its JSON form is stable.
type retryLine struct {
	File      string `json:"file"`
	ID        string `json:"id,omitempty"`
	Stored    bool   `json:"stored"`
	Stream    string `json:"stream,omitempty"`
	Sequence  uint64 `json:"sequence,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Error     string `json:"error,omitempty"` // why the file is still there
}

func (r *setAsideRetry) print(name, id string, done setaside.Retried, failure error) error {
	line := retryLine{File: name, ID: id, Stored: done.Stream != "", Stream: done.Stream, Sequence: done.Sequence, Duplicate: done.Duplicate}
	if failure != nil {
		line.Error = failure.Error()
	}
	if r.json {
		return json.NewEncoder(r.io.out).Encode(line)
	}
	var err error
	switch {
	case failure != nil:
		_, err = fmt.Fprintf(r.io.out, "kept     %s: %s\n", printable(name), printable(line.Error))
	case done.Duplicate:
		_, err = fmt.Fprintf(r.io.out, "removed  %s: stream %s has it already, at %d\n", printable(name), done.Stream, done.Sequence)
	default:
		_, err = fmt.Fprintf(r.io.out, "removed  %s: stored in stream %s at %d\n", printable(name), done.Stream, done.Sequence)
	}
	return err
}
