package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

func open(t testing.TB, o journal.Options, fn func(journal.Record) error) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, o.WithDelays(20*time.Millisecond, time.Nanosecond), fn)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func mustAppend(t testing.TB, j *journal.Journal, payload string) journal.Seq {
	t.Helper()
	seq, err := j.Append(context.Background(), []byte(payload))
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return seq
}

// contents opens a copy of the files and returns its entries.
func contents(t testing.TB, files map[string][]byte) ([]string, []journal.Damage) {
	t.Helper()
	var got []string
	j := open(t, journal.Options{FS: journaltest.From(files)}, func(r journal.Record) error {
		if r.Type == journal.Entry {
			got = append(got, string(r.Payload))
		}
		return nil
	})
	return got, j.Damage()
}

func equal(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10s: %s", what)
		}
	}
}

// await fails the test if no flush comes: without one there is no durability.
func await(t testing.TB, held <-chan struct{}) {
	t.Helper()
	select {
	case <-held:
	case <-time.After(10 * time.Second):
		t.Fatal("no flush within 10s")
	}
}

type outcome struct {
	seq journal.Seq
	err error
}

func appendAsync(ctx context.Context, j *journal.Journal, payload string) chan outcome {
	c := make(chan outcome, 1)
	go func() {
		seq, err := j.Append(ctx, []byte(payload))
		c <- outcome{seq, err}
	}()
	return c
}

// While a flush is under way nothing is acknowledged, and what arrives is one batch.
func TestGateHoldsEveryAppend(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	held, release := fs.HoldSync()
	first := appendAsync(t.Context(), j, "a")
	await(t, held)
	var rest []chan outcome
	for i := range 50 {
		rest = append(rest, appendAsync(t.Context(), j, fmt.Sprint("b", i)))
	}
	eventually(t, "50 queued", func() bool { return j.Stats().Queued == 50 })
	r := j.NewReader(1)
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if rec, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reader got %v, %v before the flush; want nothing", rec.Seq, err)
	}
	for _, c := range append(rest, first) {
		select {
		case o := <-c:
			t.Fatalf("Append returned %v, %v while the flush was held", o.seq, o.err)
		default:
		}
	}
	before := j.Stats().Flushes
	release()
	for _, c := range append(rest, first) {
		if o := <-c; o.err != nil {
			t.Errorf("Append: %v", o.err)
		}
	}
	if got := j.Stats().Flushes - before; got != 2 {
		t.Errorf("51 records took %d flushes, want 2", got)
	}
}

func TestContextEnds(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	held, release := fs.HoldSync()
	ctx, cancel := context.WithCancel(t.Context())
	flushing := appendAsync(ctx, j, "flushing")
	await(t, held)
	queued := appendAsync(ctx, j, "queued")
	eventually(t, "one queued", func() bool { return j.Stats().Queued == 1 })
	cancel()
	if o := <-flushing; !errors.Is(o.err, journal.ErrUnknown) || !errors.Is(o.err, context.Canceled) {
		t.Errorf("in a batch: got %v, want ErrUnknown and Canceled", o.err)
	}
	if o := <-queued; !errors.Is(o.err, journal.ErrVoid) || !errors.Is(o.err, context.Canceled) {
		t.Errorf("queued: got %v, want ErrVoid and Canceled", o.err)
	}
	if _, err := j.Append(ctx, []byte("late")); !errors.Is(err, journal.ErrVoid) {
		t.Errorf("ended before: got %v, want ErrVoid", err)
	}
	release()
	mustAppend(t, j, "after")
	if got, _ := contents(t, fs.Files()); !equal(got, []string{"flushing", "after"}) {
		t.Errorf("got %q; want the one under way, and not the queued one", got)
	}
}

// The outcome of each failure, and that it is the truth.
func TestFailedCalls(t *testing.T) {
	is := journaltest.Is
	for name, c := range map[string]struct {
		match func(journaltest.Op) bool
		times int
		want  error
	}{
		"write":          {is(".seg", journaltest.Write), 1, journal.ErrVoid},
		"sync":           {is(".seg", journaltest.Sync), 1, journal.ErrVoid},
		"write_truncate": {is(".seg", journaltest.Write, journaltest.Truncate), 2, journal.ErrVoid},
		"sync_create":    {is(".seg", journaltest.Sync, journaltest.Create), 2, journal.ErrUnknown},
		"sync_sync":      {is(".seg", journaltest.Sync), 2, journal.ErrUnknown},
		"sync_dirsync":   {is("", journaltest.Sync, journaltest.SyncDir), 2, journal.ErrUnknown},
		"sync_write": {func(op journaltest.Op) bool {
			return op.Kind == journaltest.Sync || op.Kind == journaltest.Write && op.Off == 0
		}, 2, journal.ErrUnknown},
		"sync_write_remove": {func(op journaltest.Op) bool {
			return op.Kind == journaltest.Sync || op.Kind == journaltest.Remove || op.Kind == journaltest.Write && op.Off == 0
		}, 4, journal.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			j := open(t, journal.Options{FS: fs}, nil)
			want := []string{"before"}
			mustAppend(t, j, "before")
			times := c.times
			if errors.Is(c.want, journal.ErrUnknown) {
				times = math.MaxInt // or it mends itself before Stats is looked at
			}
			fs.SetHook(failRun(0, times, syscall.EIO, c.match))
			_, err := j.Append(t.Context(), []byte("victim"))
			if !errors.Is(err, c.want) || !errors.Is(err, syscall.EIO) {
				t.Fatalf("got %v, want %v and the cause", err, c.want)
			}
			if errors.Is(err, journal.ErrUnknown) && j.Stats().Fault == nil {
				t.Error("Stats.Fault is nil while the journal is down")
			}
			fs.SetHook(nil)
			if seq := mustAppend(t, j, "after"); seq != 2 {
				t.Errorf("the next entry has sequence %d, want 2", seq)
			}
			want = append(want, "after")
			if st := j.Stats(); st.Fault != nil {
				t.Errorf("Stats.Fault after a good Append: %v", st.Fault)
			}
			for image, files := range map[string]map[string][]byte{
				"now":     fs.Files(),
				"crashed": fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()),
				"all":     fs.Crash(len(fs.Ops()), journaltest.Everything()),
			} {
				if got, d := contents(t, files); !equal(got, want) || len(d) > 0 {
					t.Errorf("%s: got %q, damage %v, want %q", image, got, d, want)
				}
			}
		})
	}
}

// While the journal is down each Append is void, and it resumes by itself.
func TestDownAndUpAgain(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		if op.Kind == journaltest.Read || op.Kind == journaltest.Open {
			return nil
		}
		return &journaltest.Fault{Err: syscall.EROFS}
	})
	if _, err := j.Append(t.Context(), []byte("b")); !errors.Is(err, journal.ErrUnknown) {
		t.Errorf("first: got %v, want ErrUnknown", err)
	}
	for range 20 {
		if _, err := j.Append(t.Context(), []byte("c")); !errors.Is(err, journal.ErrVoid) || !errors.Is(err, syscall.EROFS) {
			t.Fatalf("while down: got %v, want ErrVoid and the cause", err)
		}
	}
	r := j.NewReader(1)
	defer r.Close()
	if rec, err := r.Next(t.Context()); err != nil || string(rec.Payload) != "a" {
		t.Errorf("reader while down: got %q, %v", rec.Payload, err)
	}
	fs.SetHook(nil)
	if seq := mustAppend(t, j, "d"); seq != 2 {
		t.Errorf("after: sequence %d, want 2", seq)
	}
	if rec, err := r.Next(t.Context()); err != nil || string(rec.Payload) != "d" {
		t.Errorf("reader after: got %q, %v, want d", rec.Payload, err)
	}
}

func TestBounds(t *testing.T) {
	big := strings.Repeat("x", 1000)
	for name, o := range map[string]journal.Options{
		"max_bytes":          {MaxBytes: 10_000},
		"one_segment_is_all": {MaxBytes: 1500},
		"reserve":            {Reserve: 1 << 20},
		"disk":               {},
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			capacity := int64(0)
			switch name {
			case "reserve":
				capacity = 1<<20 + 10_000
			case "disk":
				capacity = 10_000
			}
			fs.Capacity = capacity
			o.FS, o.SegmentBytes = fs, 3000
			var done journal.Seq
			o.Checkpoint = func() []byte { return number(done) }
			j := open(t, o, nil)
			kept := 0
			refused := error(nil)
			for refused == nil && kept < 100 {
				if _, refused = j.Append(t.Context(), []byte(big)); refused == nil {
					kept++
				}
			}
			want := journal.ErrFull
			if name == "disk" {
				want = journal.ErrVoid
			}
			if !errors.Is(refused, want) || kept == 0 {
				t.Fatalf("after %d: got %v, want %v", kept, refused, want)
			}
			if o.MaxBytes > 0 && j.Stats().Bytes > o.MaxBytes+1000 {
				t.Errorf("%d bytes are used, the limit is %d", j.Stats().Bytes, o.MaxBytes)
			}
			if full := j.Full(); (full != nil) != (want == journal.ErrFull) {
				t.Errorf("Full = %v after %v", full, want)
			}
			j.Release(journal.Seq(kept))
			eventually(t, "there is room", func() bool { return j.Full() == nil })
			eventually(t, "room again", func() bool {
				_, err := j.Append(t.Context(), []byte(big))
				return err == nil
			})
		})
	}
}

func TestMarks(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	j.Mark([]byte("m1"))
	eventually(t, "the mark flushed without an entry", func() bool { return j.Stats().Marks == 0 })
	j.Mark([]byte("m2"))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), nil); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append after Close: %v, want ErrClosed", err)
	}
	var got []string
	open(t, journal.Options{FS: journaltest.From(fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()))}, func(r journal.Record) error {
		got = append(got, fmt.Sprintf("%d:%d:%s", r.Type, r.Seq, r.Payload))
		return nil
	})
	if want := []string{"1:1:a", "2:1:m1", "2:1:m2"}; !equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Marks that cannot be written are bounded: the next checkpoint stands for them.
func TestMarksOverflow(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, Checkpoint: func() []byte { return []byte("state") }}, nil)
	mustAppend(t, j, "a")
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		if op.Kind == journaltest.Write || op.Kind == journaltest.Create {
			return &journaltest.Fault{Err: syscall.EIO}
		}
		return nil
	})
	for range 40 {
		j.Mark(make([]byte, 1<<20))
	}
	if got := j.Stats().Marks; got > 18 {
		t.Errorf("%d marks of 1 MiB are held", got)
	}
	fs.SetHook(nil)
	mustAppend(t, j, "b")
	var state string
	open(t, journal.Options{FS: journaltest.From(fs.Files())}, func(r journal.Record) error {
		if r.Type == journal.Checkpoint {
			state = string(r.Payload)
		}
		return nil
	})
	if state != "state" {
		t.Errorf("no checkpoint stands for the dropped marks")
	}
}

func TestLockOnlyWhatIsNeeded(t *testing.T) {
	// A flush that hangs must not hold up anything else.
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	held, release := fs.HoldSync()
	defer release()
	hanging := appendAsync(t.Context(), j, "b")
	await(t, held)
	j.Mark([]byte("m"))
	j.Release(1)
	j.Stats()
	r := j.NewReader(1)
	defer r.Close()
	if rec, err := r.Next(t.Context()); err != nil || rec.Seq != 1 {
		t.Errorf("Next: %v, %v", rec.Seq, err)
	}
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := j.Append(ctx, []byte("c")); !errors.Is(err, journal.ErrVoid) {
			t.Fatalf("behind a hanging flush: %v, want ErrVoid", err)
		}
		cancel()
	}
	if got := j.Stats().Queued; got != 0 {
		t.Errorf("%d requests are still queued", got)
	}
	release()
	if o := <-hanging; o.err != nil {
		t.Error(o.err)
	}
}

// Marks that are dropped while a checkpoint is being written are not in it: another
// one has to follow.
func TestMarksOverflowDuringCheckpoint(t *testing.T) {
	fs := journaltest.New()
	var j *journal.Journal
	state := "old"
	j, err := journal.Open(dir, journal.Options{FS: fs, SegmentBytes: 100, Synchronous: true, Checkpoint: func() []byte {
		taken := state
		if state == "old" && j != nil {
			state = "new"
			for range 40 {
				j.Mark(make([]byte, 1<<20))
			}
		}
		return []byte(taken)
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		mustAppend(t, j, strings.Repeat("x", 60))
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var checkpoint string
	open(t, journal.Options{FS: journaltest.From(fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()))}, func(r journal.Record) error {
		if r.Type == journal.Checkpoint {
			checkpoint = string(r.Payload)
		}
		return nil
	})
	if checkpoint != "new" {
		t.Errorf("the newest checkpoint is %q, and marks behind it were dropped", checkpoint)
	}
}
