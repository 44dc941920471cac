package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// longestLine bounds what one line may take in memory: a body of the largest size
// that a NATS server takes, as base64.
const longestLine = 128 << 20

// Lines reads values that stand one a line. It is not safe for concurrent use.
type Lines[T any] struct {
	io.Closer
	r      *bufio.Reader
	noun   string // of a value, in errors
	parse  func([]byte) (T, error)
	Number int // of the line that was read last
}

// NewLines returns a reader of lines that parse turns into values; noun is what an error calls a
// line.
func NewLines[T any](r io.ReadCloser, noun string, parse func([]byte) (T, error)) *Lines[T] {
	return &Lines[T]{Closer: r, r: bufio.NewReaderSize(r, 64<<10), noun: noun, parse: parse}
}

// OpenLines opens a file, and returns how many values it holds, which are more than none. It is
// read to its end first, so that a mistake in it is found before anything is done.
func OpenLines[T any](name, noun string, parse func([]byte) (T, error)) (_ *Lines[T], total int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	for in := NewLines(f, noun, parse); err == nil; total++ {
		_, err = in.Next()
	}
	if total--; errors.Is(err, io.EOF) {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil && total == 0 {
		err = fmt.Errorf("holds no %s", noun)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return NewLines(f, noun, parse), total, nil
}

// Next returns the next value, or io.EOF. Empty lines are stepped over.
func (l *Lines[T]) Next() (T, error) {
	for {
		var none T
		text, err := l.line()
		if err != nil {
			return none, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		v, err := l.parse(text)
		if err != nil {
			return none, fmt.Errorf("line %d is no %s: %w", l.Number, l.noun, err)
		}
		return v, nil
	}
}

func (l *Lines[T]) line() ([]byte, error) {
	l.Number++
	var text []byte
	for {
		part, err := l.r.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > longestLine:
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.Number, longestLine)
		case err == nil, errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
