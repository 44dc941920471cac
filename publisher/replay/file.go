package replay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// fileTarget writes one envelope a line. The record's checkpoint holds up to where
// the file is flushed; a resumed run cuts it off there, so that each event is in it
// once.
type fileTarget struct {
	file     *os.File      // nil: w is standard output
	w        *bufio.Writer // under progress.mu
	progress               // with what is still in w
	// Under progress.mu:
	flushed position
	closed  bool
}

// openFile makes a new file, or goes on with that of a run that stopped at a
// position behind the first line. The path "-" is w.
func openFile(path string, w io.Writer, resumed bool, at position) (*fileTarget, error) {
	if path == "-" {
		return &fileTarget{w: bufio.NewWriterSize(w, 64<<10), progress: progress{at: at}, flushed: at}, nil
	}
	flags := os.O_WRONLY
	if !resumed {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0o600) // it holds personal data
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists: name a new file", path)
	}
	if err != nil {
		return nil, err
	}
	if err := takeFile(f, at.Offset); err != nil {
		f.Close()
		return nil, err
	}
	return &fileTarget{file: f, w: bufio.NewWriterSize(f, 256<<10), progress: progress{at: at}, flushed: at}, nil
}

// takeFile locks a file, cuts off what lies behind the offset, and makes its
// name durable.
func takeFile(f *os.File, offset int64) error {
	// Held until the process ends: another one must not write to it.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another run: %w", f.Name(), err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < offset {
		return fmt.Errorf("%s has %d bytes, and the run wrote %d: it is not the file of the run; begin a new run", f.Name(), info.Size(), offset)
	}
	if err := f.Truncate(offset); err != nil {
		return err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	return datadir.Sync(filepath.Dir(f.Name()))
}

// position flushes the file, so that what it says is there after a power loss.
func (t *fileTarget) position() (position, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return t.at, nil
	}
	err := t.w.Flush()
	if err == nil && t.file != nil {
		err = t.file.Sync()
	}
	if err != nil {
		return position{}, finalError{err}
	}
	t.flushed = t.at
	return t.at, nil
}

func (t *fileTarget) begin(context.Context) error { return nil }

func (t *fileTarget) send(_ context.Context, e event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A body keeps its line ends outside of strings, where they mean nothing.
	line := append(bytes.ReplaceAll(e.Data, []byte("\n"), []byte(" ")), '\n')
	if _, err := t.w.Write(line); err != nil {
		return finalError{fmt.Errorf("write event %s, at sequence %d: %w", e.id, e.Sequence, err)}
	}
	t.at.pass(e)
	t.at.Offset += int64(len(line))
	return nil
}

func (t *fileTarget) settle(context.Context) error {
	_, err := t.position()
	return err
}

// close leaves the position at what is flushed.
func (t *fileTarget) close() error {
	_, err := t.position()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.closed = t.flushed, true
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	return err
}
