package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// Flush returns when the marks are on the disk, at once if there are none, and
// tells why they are not.
func TestFlush(t *testing.T) {
	fs := journaltest.New()
	j, err := journal.Open(dir, journal.Options{FS: fs}.WithDelays(time.Hour, time.Nanosecond), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	mustAppend(t, j, "a")
	ops := len(fs.Ops())
	if err := j.Flush(t.Context()); err != nil || len(fs.Ops()) != ops {
		t.Errorf("without a mark: %v, %d operations", err, len(fs.Ops())-ops)
	}
	onDisk := func(mark string) bool {
		found := false
		k := open(t, journal.Options{FS: journaltest.From(fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()))}, func(r journal.Record) error {
			found = found || r.Type == journal.Mark && string(r.Payload) == mark
			return nil
		})
		_ = k.Close()
		return found
	}
	j.Mark([]byte("m1"))
	if err := j.Flush(t.Context()); err != nil || !onDisk("m1") {
		t.Errorf("Flush: %v, on the disk: %v", err, onDisk("m1"))
	}
	j.Mark([]byte("m2"))
	fs.SetHook(journaltest.FailNth(0, true, syscall.EIO, journaltest.Is("", journaltest.Write, journaltest.Create)))
	if err := j.Flush(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("on a disk that fails: %v, want EIO", err)
	}
	fs.SetHook(nil)
	if err := j.Flush(t.Context()); err != nil || !onDisk("m2") {
		t.Errorf("and later: %v, on the disk: %v", err, onDisk("m2"))
	}
	held, release := fs.HoldSync()
	j.Mark([]byte("m3"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- j.Flush(ctx) }()
	await(t, held)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	release()
	_ = j.Close()
	j.Mark([]byte("m4"))
	if err := j.Flush(t.Context()); err != nil && !errors.Is(err, journal.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A segment does not grow older than SegmentAge, without traffic either, and an idle
// journal begins no segments.
func TestSegmentAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := journaltest.New()
		j, err := journal.Open(dir, journal.Options{FS: fs, SegmentAge: 30 * time.Second, Checkpoint: func() []byte { return nil }}, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if st := j.Stats(); st.Segments != 1 {
			t.Errorf("idle: %d segments", st.Segments)
		}
		mustAppend(t, j, "secret")
		j.Mark([]byte("m"))
		j.Release(1)
		time.Sleep(29 * time.Second)
		if st := j.Stats(); st.Segments != 1 {
			t.Errorf("too early: %d segments", st.Segments)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for name, b := range fs.Files() {
			if strings.Contains(string(b), "secret") {
				t.Errorf("it is still in %s", name)
			}
		}
		creates := func() (n int) {
			for _, op := range fs.Ops() {
				if op.Kind == journaltest.Create {
					n++
				}
			}
			return n
		}
		before := creates()
		j.Mark([]byte("m"))
		time.Sleep(time.Hour)
		if n := creates() - before; n > 0 || j.Stats().Segments != 1 {
			t.Errorf("idle: %d segments were begun", n)
		}
		// A disk on which none can be begun: tried again, in the old one meanwhile.
		mustAppend(t, j, "b")
		fs.SetHook(journaltest.FailNth(0, true, syscall.ENOSPC, journaltest.Is("", journaltest.Create)))
		time.Sleep(time.Minute)
		mustAppend(t, j, "c")
		fs.SetHook(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := j.Stats(); st.Segments != 2 {
			t.Errorf("after a failure: %d segments, want 2", st.Segments)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// While the owner can do without older entries, none is refused; and no more are
// removed than needed.
func TestYield(t *testing.T) {
	big := strings.Repeat("x", 1000)
	for name, o := range map[string]journal.Options{
		"max_bytes":   {MaxBytes: 16_000},
		"one_segment": {MaxBytes: 16_000, SegmentBytes: 1 << 20},
		"reserve":     {Reserve: 20_000},
		"disk":        {},
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			switch name {
			case "reserve":
				fs.Capacity = 36_000
			case "disk":
				fs.Capacity = 16_000
			}
			o.FS = fs
			if o.SegmentBytes == 0 {
				o.SegmentBytes = 3000
			}
			var settled, forgotten, pendingFrom atomic.Uint64
			pendingFrom.Store(1 << 60)
			o.Checkpoint = func() []byte { return number(journal.Seq(settled.Load())) }
			o.Yield = func() journal.Seq { return journal.Seq(min(settled.Load(), pendingFrom.Load()-1)) }
			o.Yielded = func(upTo journal.Seq) {
				if uint64(upTo) > settled.Load() || uint64(upTo) < forgotten.Load() {
					t.Errorf("yielded up to %d, settled is %d, before %d", upTo, settled.Load(), forgotten.Load())
				}
				forgotten.Store(uint64(upTo))
			}
			j := open(t, o, nil)
			for range 200 {
				seq, err := j.Append(t.Context(), []byte(big))
				if err != nil {
					t.Fatalf("after %d, nothing pending: %v", settled.Load(), err)
				}
				settled.Store(uint64(seq))
				j.Mark(number(seq))
			}
			st := j.Stats()
			if uint64(st.First) != forgotten.Load()+1 {
				t.Errorf("first is %d, forgotten up to %d", st.First, forgotten.Load())
			}
			if kept := st.Last - st.First; kept < 3 {
				t.Errorf("only %d entries are kept", kept+1)
			}
			// From here on nothing is settled: it is full one day.
			pendingFrom.Store(uint64(st.Last) + 1)
			n := 0
			var err error
			for err == nil && n < 100 {
				if _, err = j.Append(t.Context(), []byte(big)); err == nil {
					n++
				}
			}
			if !errors.Is(err, journal.ErrFull) && !errors.Is(err, syscall.ENOSPC) || n < 4 {
				t.Errorf("pending: %d kept, then %v", n, err)
			}
			if st := j.Stats(); st.First > journal.Seq(pendingFrom.Load()) {
				t.Errorf("pending entries are gone: first is %d of %d", st.First, pendingFrom.Load())
			}
			// A record that never fits removes nothing.
			if o.MaxBytes > 0 {
				pendingFrom.Store(1 << 60)
				settled.Store(uint64(j.Stats().Last))
				before := j.Stats().First
				if _, err := j.Append(t.Context(), make([]byte, 20_000)); !errors.Is(err, journal.ErrFull) || j.Stats().First != before {
					t.Errorf("larger than the journal: %v, first %d, before %d", err, j.Stats().First, before)
				}
			}
		})
	}
}

// What the owner can do without takes three quarters at most, so that there is room when nothing
// may be given up any more; whether the journal grew there with its entries, or found itself full.
func TestRoomIsKept(t *testing.T) {
	const maxBytes, record = 64_000, 1000
	payload := []byte(strings.Repeat("x", record))
	for name, pendingFirst := range map[string]bool{"grown": false, "drained": true} {
		t.Run(name, func(t *testing.T) {
			var stored, served atomic.Uint64 // up to where the owner can do without, and did
			j := open(t, journal.Options{
				FS: journaltest.New(), MaxBytes: maxBytes, SegmentBytes: 4000,
				Checkpoint: func() []byte { return number(journal.Seq(stored.Load())) },
				Yield:      func() journal.Seq { return journal.Seq(min(stored.Load(), served.Load())) },
			}, nil)
			fill := func() (n int, err error) {
				for n < 200 && err == nil {
					var seq journal.Seq
					if seq, err = j.Append(t.Context(), payload); err == nil {
						n++
						if !pendingFirst {
							stored.Store(uint64(seq))
							j.Mark(number(seq))
						}
					}
				}
				return n, err
			}
			if pendingFirst {
				if _, err := fill(); !errors.Is(err, journal.ErrFull) {
					t.Fatalf("full of pending entries: %v", err)
				}
				last := j.Stats().Last
				stored.Store(uint64(last))
				served.Store(1 << 60)
				j.Mark(number(last))
				if err := j.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				j.Release(0) // as the owner does every second
				for until := time.Now().Add(10 * time.Second); j.Stats().Bytes > maxBytes*3/4; {
					if time.Now().After(until) {
						t.Fatalf("it is still full: %+v", j.Stats())
					}
					runtime.Gosched()
				}
			} else {
				served.Store(1 << 60)
				if n, err := fill(); n < 200 {
					t.Fatalf("after %d, nothing pending: %v", n, err)
				}
			}
			pendingFirst = true
			before := j.Stats()
			served.Store(0)
			n, err := fill()
			if !errors.Is(err, journal.ErrFull) {
				t.Errorf("got %v, want ErrFull", err)
			}
			if least := maxBytes/4/record - 5; n < least {
				t.Errorf("%d entries found room, want %d at least", n, least)
			}
			if after := j.Stats(); after.First != before.First {
				t.Errorf("entries are gone that were needed: first is %d, was %d", after.First, before.First)
			}
		})
	}
}

// retaining opens a journal whose 100 entries of 1 kB are stored, and only retained.
func retaining(t *testing.T, o journal.Options) *journal.Journal {
	t.Helper()
	var stored journal.Seq
	o.Checkpoint = func() []byte { return number(stored) }
	o.Yield = func() journal.Seq { return stored }
	j := open(t, o, nil)
	for range 100 {
		seq, err := j.Append(t.Context(), make([]byte, 1000))
		if err != nil {
			t.Fatal(err)
		}
		stored = seq
		j.Mark(number(seq))
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return j
}

// On a disk that others have filled so far that even all of it would make no room, nothing is given up.
func TestNothingIsGivenUpInVain(t *testing.T) {
	fs := journaltest.New()
	fs.Capacity = 1 << 20
	j := retaining(t, journal.Options{
		FS: fs, Synchronous: true, MaxBytes: 1 << 20, Reserve: 500_000, SegmentBytes: 4000,
	})
	for _, tc := range []struct {
		free    int64 // of the disk
		givenUp bool
	}{{200_000, false}, {450_000, true}} {
		fs.SetCapacity(j.Stats().Bytes + tc.free)
		j.Release(0) // as the owner does every second
		if st := j.Stats(); (st.First > 1) != tc.givenUp {
			t.Errorf("%d bytes free: the first entry is %d, given up should be %t", tc.free, st.First, tc.givenUp)
		}
	}
}

// What others write for the entries to the same disk needs room, and what is only retained makes some, even if
// there is too little for all of it: without any the others stop, and the entries stay.
func TestRetainedMakesRoomForOthers(t *testing.T) {
	fs := journaltest.New()
	fs.Capacity = 1 << 20
	var beside int64
	j := retaining(t, journal.Options{
		FS: fs, Synchronous: true, MaxBytes: 1 << 20, Reserve: 10_000, SegmentBytes: 4000,
		Beside: func() int64 { return beside },
	})
	beside = 10 << 20 // more than all that is retained makes free
	fs.SetCapacity(j.Stats().Bytes + 20_000)
	j.Release(0) // as the owner does every second
	if st := j.Stats(); st.First == 1 {
		t.Errorf("20 kB are free, %d are only retained, and nothing is given up", st.Bytes)
	}
	if _, err := j.Append(t.Context(), make([]byte, 1000)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("Append, while what is pending needs more than is free: %v", err)
	}
}

// The directory and its parents are flushed into their parents.
func TestParentsAreFlushed(t *testing.T) {
	fs := journaltest.From(map[string][]byte{"/data/lock": nil})
	j, err := journal.Open("/data/a/b/journal", journal.Options{FS: fs}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var flushed []string
	for _, op := range fs.Ops() {
		if op.Kind == journaltest.SyncDir {
			flushed = append(flushed, op.Name)
		}
	}
	for _, want := range []string{"/data", "/data/a", "/data/a/b", "/data/a/b/journal"} {
		if !slices.Contains(flushed, want) {
			t.Errorf("%s was not flushed: %v", want, flushed)
		}
	}
	if slices.Contains(flushed, "/") {
		t.Errorf("a parent that was there is flushed: %v", flushed)
	}
}

// Try gives what is there, and then says so.
func TestTry(t *testing.T) {
	j := open(t, journal.Options{FS: journaltest.New()}, nil)
	r := j.NewReader(1)
	defer r.Close()
	for i := journal.Seq(1); i <= 3; i++ {
		if rec, ok, err := r.Try(); ok || err != nil || r.Pos() != i {
			t.Errorf("Try: %d, %v, %v, at %d; want nothing", rec.Seq, ok, err, r.Pos())
		}
		mustAppend(t, j, "x")
		if rec, ok, err := r.Try(); !ok || err != nil || rec.Seq != i || r.Pos() != i+1 {
			t.Errorf("Try: %d, %v, %v, at %d; want %d", rec.Seq, ok, err, r.Pos(), i)
		}
	}
	_ = j.Close()
	if _, ok, err := r.Try(); ok || !errors.Is(err, journal.ErrClosed) {
		t.Errorf("closed: %v, %v", ok, err)
	}
}

// The directory of a program that knew format 1, killed at its work.
func TestReadsFormat1(t *testing.T) {
	files := map[string][]byte{}
	paths, err := filepath.Glob("testdata/format1/*.seg")
	if err != nil || len(paths) != 2 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if b[3] != 1 {
			t.Fatalf("%s is of format %d", p, b[3])
		}
		files[filepath.Join(dir, filepath.Base(p))] = b
	}
	files[filepath.Join(dir, filepath.Base(paths[0])+".erase")] = []byte("left over")
	fs := journaltest.From(files)
	for round := range 3 {
		n := 0
		j := open(t, journal.Options{FS: fs, Checkpoint: func() []byte { return number(0) }}, func(r journal.Record) error {
			if r.Type == journal.Entry {
				n++
				if string(r.Payload) != payload(r.Seq) {
					t.Errorf("entry %d is %q", r.Seq, r.Payload)
				}
			}
			return nil
		})
		if n != 7+round || len(j.Damage()) > 0 {
			t.Errorf("round %d: %d entries, damage %v", round, n, j.Damage())
		}
		mustAppend(t, j, payload(journal.Seq(8+round)))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name := range fs.Files() {
		if strings.HasSuffix(name, ".erase") {
			t.Errorf("%s is still there", name)
		}
	}
	// What is written now, the old program refuses at the first frame.
	all := names(fs.Files())
	if b := fs.Files()[all[len(all)-1]]; b[3] != 2 {
		t.Errorf("format %d is written, want 2", b[3])
	}
}
