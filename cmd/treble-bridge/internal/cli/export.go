package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

// writeNewFile makes a new file for its owner alone. It is whole and flushed, or
// not there.
func writeNewFile(name string, write func(io.Writer) error) (err error) {
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

// ExportTo calls write with a new file, or with standard output for -.
func ExportTo(streams Streams, to string, write func(io.Writer) error) error {
	if to == "-" && terminal.Is(streams.Out) {
		return Usagef("the export holds personal data as it was received: name a file with --to, or use a pipe")
	}
	buffered := func(w io.Writer) error {
		out := bufio.NewWriter(w)
		return errors.Join(write(out), out.Flush())
	}
	if to == "-" {
		return buffered(streams.Out)
	}
	return writeNewFile(to, buffered)
}

// SummaryOutput is where the summary of an export goes.
func SummaryOutput(streams Streams, to string) io.Writer {
	if to == "-" {
		return streams.Err // standard output is the export
	}
	return streams.Out
}
