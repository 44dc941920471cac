package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

// WriteNewFile makes a new file, for its owner alone: it may hold personal data or secrets. It is
// whole and flushed, or not there.
func WriteNewFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: name another file, or remove it first", name)
	} else if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	return errors.Join(write(f), f.Sync(), f.Close())
}

// Export has the flags of a command that writes an export.
type Export struct {
	To   string // a file, or - for standard output
	json bool
}

// Add adds the flags to a command.
func (e *Export) Add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.To, "to", "-", "file to write; -: standard output")
	cmd.Flags().BoolVar(&e.json, "json", false, "print the summary as JSON")
}

// Write calls write with a new file, or with standard output, which may not be a terminal.
func (e *Export) Write(streams Streams, write func(io.Writer) error) error {
	if e.To == "-" && terminal.Is(streams.Out) {
		return Usagef("the export holds personal data as it was received: name a file with --to, or use a pipe")
	}
	buffered := func(w io.Writer) error {
		out := bufio.NewWriter(w)
		return errors.Join(write(out), out.Flush())
	}
	if e.To == "-" {
		return buffered(streams.Out)
	}
	return WriteNewFile(e.To, buffered)
}

// Summarize prints the summary as JSON, or else the text: to standard error if standard output is
// the export.
func (e *Export) Summarize(streams Streams, summary any, text string) error {
	out := streams.Out
	if e.To == "-" {
		out = streams.Err
	}
	if e.json {
		return WriteJSON(out, summary)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}
