package journal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// reads returns how often a file was read.
func reads(fs *journaltest.FS) (n int) {
	for _, op := range fs.Ops() {
		if op.Kind == journaltest.Read {
			n++
		}
	}
	return n
}

// A reader that keeps up reads no file; one that is behind what is kept in memory reads the
// files, and gets every entry once and in order.
func TestRecent(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, SegmentBytes: 1000, Recent: 500}, nil)
	r := j.NewReader(1)
	n := 0
	read := func(want int) {
		t.Helper()
		for range want {
			n++
			rec, ok, err := r.Try()
			if err != nil || !ok || rec.Seq != journal.Seq(n) || !strings.HasPrefix(string(rec.Payload), fmt.Sprint(n, ".")) {
				t.Fatalf("entry %d: got %d %.10q, %v, %v", n, rec.Seq, rec.Payload, ok, err)
			}
		}
		if _, ok, err := r.Try(); ok || err != nil || r.Pos() != journal.Seq(n+1) {
			t.Fatalf("behind entry %d: got %v, %v, at %d", n, ok, err, r.Pos())
		}
	}
	written := 0
	write := func(entries int) {
		for range entries {
			written++
			mustAppend(t, j, fmt.Sprint(written, ".", strings.Repeat("x", 97)))
		}
	}
	before := reads(fs)
	for range 30 {
		write(3)
		read(3)
	}
	if got := reads(fs); got != before {
		t.Errorf("the files were read %d times", got-before)
	}
	write(40)
	read(40)
	if got := reads(fs); got == before {
		t.Error("the files were not read, and most of the entries cannot have been in memory")
	}
	between := reads(fs)
	write(4)
	read(4)
	if got := reads(fs); got != between {
		t.Errorf("the files were read %d times after the reader had caught up", got-between)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Try(); err != journal.ErrClosed {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

// A second reader, and one that begins again, get what another has taken out of the memory.
func TestRecentReadAgain(t *testing.T) {
	j := open(t, journal.Options{FS: journaltest.New(), Recent: 1 << 20}, nil)
	for i := range 10 {
		mustAppend(t, j, fmt.Sprint(i))
	}
	for range 2 {
		r := j.NewReader(3)
		for i := 2; i < 10; i++ {
			if rec, ok, err := r.Try(); err != nil || !ok || string(rec.Payload) != fmt.Sprint(i) {
				t.Fatalf("got %q, %v, %v, want %d", rec.Payload, ok, err, i)
			}
		}
		_ = r.Close()
	}
	_ = j.Close()
}

// A reader that is served from memory keeps no removed segment open.
func TestRecentClosesFiles(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, SegmentBytes: 200, Recent: 1000}, nil)
	r := j.NewReader(1)
	for range 30 { // more than there is memory for
		mustAppend(t, j, strings.Repeat("x", 100))
	}
	if _, _, err := r.Try(); err != nil { // opens the first segment
		t.Fatal(err)
	}
	var last journal.Seq
	for {
		rec, ok, err := r.Try()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		last = rec.Seq
	}
	if last != 30 {
		t.Errorf("got up to %d", last)
	}
	if n := fs.OpenFiles(); n > 1 { // the active segment is open for writing
		t.Errorf("%d files are open", n)
	}
	_ = j.Close()
}
