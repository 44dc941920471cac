package disk

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
)

// memory is a file in memory. Reads that touch what lies behind bad fail.
type memory struct {
	File
	*bytes.Reader
	bad int64
	err error
}

func (m memory) Size() (int64, error) { return m.Reader.Size(), nil }

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	if m.err != nil && off+int64(len(b)) > m.bad {
		return 0, m.err
	}
	return m.Reader.ReadAt(b, off)
}

func TestWithoutZeros(t *testing.T) {
	const mebi = 1 << 20
	for name, test := range map[string]struct {
		used, zeros int
		bad         int64 // from here on
		err         error
		want        int64
		fails       bool
	}{
		"none":           {used: 5000, want: 5000},
		"some":           {used: 5000, zeros: 3000, want: 5000},
		"many":           {used: mebi + 1, zeros: 3*mebi + 7, want: mebi + 1},
		"nothing_else":   {zeros: mebi, want: 0},
		"empty":          {},
		"unreadable":     {used: 5000, zeros: mebi, bad: 2 * PageBytes, err: syscall.EIO, want: 5000 + mebi},
		"of_a_lost_file": {used: 5000, zeros: mebi, err: os.ErrClosed, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := append(bytes.Repeat([]byte{'x'}, test.used), make([]byte, test.zeros)...)
			p := Pages{File: memory{Reader: bytes.NewReader(b), bad: test.bad, err: test.err}}
			got, err := p.WithoutZeros(int64(len(b)))
			if got != test.want || (err != nil) != test.fails || test.fails && !errors.Is(err, test.err) {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
	// The file may have become shorter since its size was asked for.
	p := Pages{File: memory{Reader: bytes.NewReader([]byte("xxx"))}}
	if got, err := p.WithoutZeros(3 * mebi); got != 3 || err != nil {
		t.Errorf("a shorter file: got %d, %v, want 3", got, err)
	}
}
