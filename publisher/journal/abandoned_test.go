package journal_test

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// TestAbandonedBeforeItsBatch: a segment of which a flush failed while room was made, and that has no successor, takes no
// entry, though the next flush would succeed: what is written there may be void after a crash.
func TestAbandonedBeforeItsBatch(t *testing.T) {
	fs := journaltest.New()
	var j *journal.Journal
	var armed, failed atomic.Bool
	var last atomic.Uint64
	j = open(t, journal.Options{
		FS: fs, MaxBytes: 16_000, SegmentBytes: 4000,
		Yield: func() journal.Seq {
			if armed.Load() {
				j.Mark([]byte("what came meanwhile"))
			}
			return journal.Seq(last.Load())
		},
	}, nil)
	var created string
	syncs := 0
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		switch {
		case !armed.Load():
		case op.Kind == journaltest.Create && created == "":
			created = op.Name
		case op.Kind == journaltest.Create:
			return &journaltest.Fault{Err: syscall.EIO}
		case op.Kind == journaltest.Sync && op.Name == created:
			if syncs++; syncs == 2 { // the first one is of the header
				failed.Store(true)
				return &journaltest.Fault{Err: syscall.EIO}
			}
		}
		return nil
	})
	payload := []byte(strings.Repeat("x", 1000))
	for range 50 {
		if stats := j.Stats(); stats.Bytes > 11_000 {
			last.Store(uint64(stats.Last))
			armed.Store(true)
		}
		_, err := j.Append(t.Context(), payload)
		if failed.Load() {
			if !errors.Is(err, journal.ErrVoid) {
				t.Errorf("an entry in a segment that was abandoned: %v, want ErrVoid", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no flush failed")
}

// TestVoidOutlivesItsSegment: only an unused segment says that the batch before it is void. The next process removes that
// segment, and may die before it has begun its own.
func TestVoidOutlivesItsSegment(t *testing.T) {
	const refused = "refused"
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(journaltest.FailNth(0, false, syscall.EIO, journaltest.Is(".seg", journaltest.Sync)))
	if _, err := j.Append(t.Context(), []byte(refused)); !errors.Is(err, journal.ErrVoid) {
		t.Fatalf("got %v, want ErrVoid", err)
	}
	fs.SetHook(nil)
	killed := len(fs.Ops())

	// next opens what is left, and has the power go at each operation of that.
	next := func(disk *journaltest.FS) {
		healthy := journaltest.From(disk.Files())
		k := open(t, journal.Options{FS: healthy, Synchronous: true}, nil)
		var size int64
		for _, b := range segments(healthy.Files()) {
			size += int64(len(b))
		}
		if st := k.Stats(); st.Bytes != size {
			t.Errorf("the journal has %d bytes, its files have %d", st.Bytes, size)
		}
		_ = k.Close()
		from := len(disk.Ops())
		// The flush may fail as well: then the segment stays.
		for fail := range 3 {
			disk.SetHook(journaltest.FailNth(fail, false, syscall.EIO, journaltest.Is(".seg", journaltest.Sync)))
			if k, err := journal.Open(dir, journal.Options{FS: disk, Synchronous: true}, nil); err == nil {
				_ = k.Close()
			}
			disk.SetHook(nil)
		}
		for n := from; n <= len(disk.Ops()); n++ {
			for name, image := range images(n) {
				if got, damage := contents(t, disk.Crash(n, image)); !equal(got, []string{"a"}) || len(damage) > 0 {
					t.Fatalf("%s: got %q and damage %v, want a\n%s", name, got, damage, journaltest.Format(disk.Ops()[from:n]))
				}
			}
		}
	}
	there := 0
	for seed := range uint64(20) {
		files := fs.Crash(killed, journaltest.Random(512, seed))
		for _, b := range segments(files) {
			if bytes.Contains(b, []byte(refused)) {
				there++
			}
		}
		next(journaltest.From(files))
	}
	if there == 0 {
		t.Error("the crash left the refused batch nowhere")
	}
	next(fs) // only the process was killed: the kernel knows where the file was cut off, the disk does not
	_ = j.Close()
}
