package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// A flush failed and the process died: the next one sees the record in the kernel's
// memory. What it delivers must be on the disk.
func TestOpenFlushesWhatItDelivers(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(failRun(0, 100, syscall.EIO, journaltest.Is("", journaltest.Sync, journaltest.Create)))
	if _, err := j.Append(t.Context(), []byte("victim")); !errors.Is(err, journal.ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
	_ = j.Close()
	fs.SetHook(nil)
	var seen []string
	open(t, journal.Options{FS: fs}, func(r journal.Record) error {
		seen = append(seen, string(r.Payload))
		return nil
	})
	got, _ := contents(t, fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()))
	if !equal(got, seen) {
		t.Errorf("Open delivered %q, on the disk is %q", seen, got)
	}
}

// The same for the name of a segment.
func TestOpenFlushesNames(t *testing.T) {
	fs := journaltest.New()
	fs.Hook = failRun(0, 100, syscall.EIO, journaltest.Is("", journaltest.SyncDir, journaltest.Remove))
	if _, err := journal.Open(dir, journal.Options{FS: fs}, nil); !errors.Is(err, syscall.EIO) {
		// The directory is flushed before the first segment is made.
		t.Fatalf("Open: got %v, want EIO", err)
	}
	fs.SetHook(failRun(2, 100, syscall.EIO, journaltest.Is("", journaltest.SyncDir, journaltest.Remove)))
	if _, err := journal.Open(dir, journal.Options{FS: fs}, nil); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Open: got %v, want EIO", err)
	}
	fs.SetHook(nil)
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	if got, _ := contents(t, fs.Crash(len(fs.Ops()), journaltest.FlushedOnly())); !equal(got, []string{"a"}) {
		t.Errorf("got %q, want a", got)
	}
}

// What is left of a torn batch must not show up behind the next one.
func TestTornBatchIsCutOff(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	held, release := fs.HoldSync()
	first := appendAsync(t.Context(), j, "aaaa")
	await(t, held)
	var rest []chan outcome
	for i := range 3 {
		rest = append(rest, appendAsync(t.Context(), j, fmt.Sprintf("bbb%d", i)))
	}
	eventually(t, "3 queued", func() bool { return j.Stats().Queued == 3 })
	release()
	for _, c := range append(rest, first) {
		<-c
	}
	files := fs.Files() // before the seal
	b := files[names(files)[0]]
	b[bytes.Index(b, []byte("bbb"))] ^= 1
	again := journaltest.From(files)
	k := open(t, journal.Options{FS: again}, nil)
	if seq := mustAppend(t, k, "cccc"); seq != 2 || len(k.Damage()) > 0 {
		t.Errorf("sequence %d, damage %v; want 2 and none", seq, k.Damage())
	}
	if got, _ := contents(t, again.Files()); !equal(got, []string{"aaaa", "cccc"}) {
		t.Errorf("got %q, want aaaa, cccc", got)
	}
}

// A roll-over that fails may leave a file that declares where its predecessor ends.
func TestFailedRollOver(t *testing.T) {
	for name, match := range map[string]func(journaltest.Op) bool{
		"removed":     journaltest.Is("", journaltest.SyncDir),
		"not_removed": journaltest.Is("", journaltest.SyncDir, journaltest.Remove),
		"not_created": journaltest.Is("", journaltest.Create),
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			j := open(t, journal.Options{FS: fs, SegmentBytes: 100}, nil)
			want := []string{strings.Repeat("a", 200)}
			mustAppend(t, j, want[0])
			fs.SetHook(failRun(0, 3, syscall.EIO, match))
			for i := range 5 {
				p := fmt.Sprint("b", i)
				if _, err := j.Append(t.Context(), []byte(p)); err == nil {
					want = append(want, p)
				}
				for image, files := range map[string]map[string][]byte{
					"all": fs.Crash(len(fs.Ops()), journaltest.Everything()), "flushed": fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()),
				} {
					if got, d := contents(t, files); !equal(got, want) || len(d) > 0 {
						t.Fatalf("%s: got %.10q, %v, want %.10q", image, got, d, want)
					}
				}
			}
			if len(want) == 1 {
				t.Error("acceptance did not resume")
			}
		})
	}
}

// A failed flush is final: nothing is written to that file, nor is it flushed again.
func TestFailedFlushIsFinal(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(failRun(0, 1, syscall.EIO, journaltest.Is("", journaltest.Sync)))
	if _, err := j.Append(t.Context(), []byte("victim")); !errors.Is(err, journal.ErrVoid) {
		t.Fatalf("got %v, want ErrVoid", err)
	}
	mustAppend(t, j, "b")
	failed := ""
	for _, op := range fs.Ops() {
		switch {
		case op.Kind == journaltest.Sync && op.Err != nil:
			failed = op.Name
		case failed != "" && op.Name == failed && (op.Kind == journaltest.Sync || op.Kind == journaltest.Write):
			t.Errorf("%s on a file whose flush failed", op.Kind)
		}
	}
	if failed == "" {
		t.Error("no flush failed")
	}
}

// A write that fails may have reached the disk whole: void means that it is off again.
func TestFailedWriteIsOffTheDisk(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		if op.Kind == journaltest.Write {
			return &journaltest.Fault{Err: syscall.EIO, Short: len(op.Data)}
		}
		return nil
	})
	if _, err := j.Append(t.Context(), []byte("victim")); !errors.Is(err, journal.ErrVoid) {
		t.Fatalf("got %v, want ErrVoid", err)
	}
	for seed := range uint64(50) {
		files := fs.Crash(len(fs.Ops()), journaltest.Random(4096, seed))
		if got, _ := contents(t, files); slices.Contains(got, "victim") {
			t.Fatalf("got %q after a crash, its Append said void", got)
		}
	}
}

// A frame in the wrong place is whole, and all the same not what was written there.
func TestMisdirectedWrite(t *testing.T) {
	files := someLog(t, 9, 1<<20)
	name := names(files)[0]
	b := files[name]
	at := func(n int) int { return bytes.Index(b, fmt.Appendf(nil, "payload-%d", n)) - 32 }
	copy(b[at(5):], b[at(2):at(2)+36+9])
	d, err := verify(files, 9)
	if err != nil || len(d) != 1 || d[0].FirstLost != 5 || d[0].LastLost != 5 {
		t.Errorf("got %+v, %v, want 5 lost", d, err)
	}
}
