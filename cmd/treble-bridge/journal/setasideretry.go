package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dustin/go-humanize/english"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// retryCommand is the command that publishes messages of the set-aside, or of an export.
type retryCommand struct {
	streams cli.Streams
	from    string
	all     bool
	yes     bool
	json    bool
}

func newSetAsideRetry(streams cli.Streams) *cobra.Command {
	r := &retryCommand{streams: streams}
	cmd := &cobra.Command{
		Use:   "retry [FILE…]",
		Short: "Publish what was set aside, and remove what JetStream took",
		Long: `Publish messages from the set-aside to the stream that they belong to, the oldest
first: events to publisher.stream, refused bodies to the quarantine. A file is
removed only when JetStream has acknowledged its message; otherwise it stays, and
the reason is printed. An event keeps its id, so that one which the stream holds
already is not stored twice within the duplicate window. It comes behind what was
published meanwhile.

--from publishes the messages of an export ("journal export", "journal set-aside export")
instead, in its order, and removes nothing: the whole of it can be published again within
the duplicate window. The file is read to its end before anything is published.

NATS is that of nats.url, or else the embedded one of the running bridge. It asks
before it begins. The exit code is 1 if anything is left.

--json prints one object a line: file, line (in the file of --from), id, stored (whether
JetStream has it; of the set-aside the file is gone then), stream, sequence, duplicate (it
had it before), error (why it is left).`,
		Example: `  treble-bridge journal set-aside retry --all
  treble-bridge journal set-aside retry 20260131T080000.000000000Z-abc.msg
  treble-bridge journal set-aside retry --all --yes --json
  treble-bridge journal set-aside retry --from pending.ndjson`,
		RunE: r.run,
	}
	f := cmd.Flags()
	f.StringVar(&r.from, "from", "", "publish the messages of this export")
	f.BoolVar(&r.all, "all", false, "all files")
	f.BoolVarP(&r.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&r.json, "json", false, "print one JSON object a line")
	cli.AddNATSFlags(cmd)
	return cmd
}

func (r *retryCommand) run(cmd *cobra.Command, names []string) error {
	if cli.CountTrue(r.all, len(names) > 0, r.from != "") != 1 {
		return cli.Usagef("say which: the names of files (see treble-bridge journal set-aside list), --all, or --from an export")
	}
	loaded, keys, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	files := setaside.OpenDir(loaded.DataDir, keys)
	if r.all {
		if names, err = files.Files(); err != nil {
			return err
		}
	}
	total, question := len(names), "Publish %s, and remove each file that JetStream took?"
	var exported *cli.Lines[setaside.Message]
	if r.from != "" {
		question = "Publish %s?"
		if exported, total, err = cli.OpenLines(r.from, "message", setaside.ParseLine); err != nil {
			return fmt.Errorf("%w; nothing was published", err)
		}
		defer exported.Close()
	}
	if total == 0 {
		fmt.Fprintln(r.streams.Err, "the set-aside is empty")
		return nil
	}
	if !r.yes {
		if err := cli.Confirm(r.streams, fmt.Sprintf(question, english.Plural(int(total), "message", ""))); err != nil {
			return err
		}
	}
	client, err := cli.OpenClient(cmd, &loaded.Config, r.streams, "set-aside")
	if err != nil {
		return err
	}
	retrier := setaside.NewRetrier(client.Broker(), files, setaside.RetryOptions{
		Events: client.Events(), Prefix: client.Prefix(), Timeout: client.Timeout(),
	})
	defer retrier.Close()
	if r.from != "" {
		return r.retry(cmd.Context(), total, r.lines(exported), retrier.Publish)
	}
	return r.retry(cmd.Context(), total, fromFiles(files, names), retrier.Retry)
}

// candidate is a message to be published, or why it cannot be read.
type candidate struct {
	file    string
	line    int // in the file of --from
	message setaside.Message
	err     error
}

// fromFiles reads one file after the other.
func fromFiles(files setaside.Dir, names []string) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for _, name := range names {
			m, err := files.Read(name)
			if !yield(candidate{file: name, message: m, err: err}) {
				return
			}
		}
	}
}

// lines reads one line of an export after the other. After one that cannot be read there are
// none.
func (r *retryCommand) lines(in *cli.Lines[setaside.Message]) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for {
			m, err := in.Next()
			if errors.Is(err, io.EOF) || !yield(candidate{file: r.from, line: in.Number, message: m, err: err}) || err != nil {
				return
			}
		}
	}
}

// retry publishes one message after the other, until NATS does not answer any
// more.
func (r *retryCommand) retry(ctx context.Context, total int, all iter.Seq[candidate],
	publish func(context.Context, setaside.Message) (setaside.Retried, error)) error {
	left, tried := 0, 0
	for c := range all {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %d of %d are left", left+total-tried, total)
		}
		tried++
		var done setaside.Retried
		err := c.err
		if err == nil {
			done, err = publish(ctx, c.message)
		}
		if err != nil {
			left++
		}
		if printErr := r.print(c, done, err); printErr != nil {
			return printErr
		}
		if rest := total - tried; errors.Is(err, setaside.ErrAway) && rest > 0 {
			return fmt.Errorf("%d of %d are left, %d of them not tried: %w", left+rest, total, rest, setaside.ErrAway)
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d are left", left, total)
	}
	return nil
}

// RetriedJSON is the outcome for one message. Its form is stable.
type RetriedJSON struct {
	File      string `json:"file"`
	Line      int    `json:"line,omitempty"`
	ID        string `json:"id,omitempty"`
	Stored    bool   `json:"stored"`
	Stream    string `json:"stream,omitempty"`
	Sequence  uint64 `json:"sequence,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Error     string `json:"error,omitempty"` // why it is left
}

func (r *retryCommand) print(c candidate, done setaside.Retried, failure error) error {
	v := RetriedJSON{File: c.file, Line: c.line, ID: c.message.ID, Stored: done.Stream != "", Stream: done.Stream, Sequence: done.Sequence, Duplicate: done.Duplicate}
	if failure != nil {
		v.Error = failure.Error()
	}
	if r.json {
		return cli.WriteJSON(r.streams.Out, v)
	}
	name, taken := terminal.Printable(c.file), "removed "
	if c.line > 0 {
		name, taken = fmt.Sprintf("%s:%d", name, c.line), "taken   "
	}
	var err error
	switch {
	case failure != nil:
		_, err = fmt.Fprintf(r.streams.Out, "kept     %s: %s\n", name, terminal.Printable(v.Error))
	case done.Duplicate:
		_, err = fmt.Fprintf(r.streams.Out, "%s %s: stream %s has it already, at %d\n", taken, name, done.Stream, done.Sequence)
	default:
		_, err = fmt.Fprintf(r.streams.Out, "%s %s: stored in stream %s at %d\n", taken, name, done.Stream, done.Sequence)
	}
	return err
}
