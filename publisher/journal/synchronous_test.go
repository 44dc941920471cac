package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// died is the value of the panic with which the disk ends the process at a call.
type died struct{}

// life is a journal and its owner through many processes on one disk.
type life struct {
	disk  *journaltest.FS
	calls int                  // of the disk
	watch func(journaltest.Op) // is told of each
	rnd   *rand.Rand
	now   time.Time

	j       *journal.Journal
	done    journal.Seq // state of the owner
	flushed journal.Seq // a Flush has returned for it
	let     journal.Seq // released, or offered to be removed
	full    bool        // the disk was full in this run
	failed  time.Time   // when the disk failed a call the last time

	acked  map[journal.Seq]string
	void   map[string]bool
	n      int
	runs   int
	unread int // the last read that failed
}

func newLife(seed uint64) *life {
	l := &life{
		disk: journaltest.New(), watch: func(journaltest.Op) {}, rnd: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		acked: map[journal.Seq]string{}, void: map[string]bool{},
	}
	l.disk.Hook = l.hook
	return l
}

func (l *life) chance(n int) bool { return l.rnd.IntN(n) == 0 }

// hook fails a call now and then, or ends the process there.
func (l *life) hook(op journaltest.Op) *journaltest.Fault {
	l.calls++
	l.watch(op)
	switch {
	case l.chance(400):
		panic(died{})
	case l.chance(300) && op.Kind != journaltest.Read:
		l.failed = l.now
		return &journaltest.Fault{Err: syscall.EIO, Short: l.rnd.IntN(100)}
	case l.chance(300) && (op.Kind == journaltest.Write || op.Kind == journaltest.Create):
		l.full, l.failed = true, l.now
		return &journaltest.Fault{Err: syscall.ENOSPC, Short: l.rnd.IntN(100)}
	case l.chance(100) && op.Kind == journaltest.Read && l.calls > l.unread+3: // for a moment only
		l.unread = l.calls
		return &journaltest.Fault{Err: syscall.EIO}
	}
	return nil
}

// open checks what a new process finds.
func (l *life) open() error {
	l.runs++
	entries := map[journal.Seq]string{}
	var order []journal.Seq
	l.done = 0
	j, err := journal.Open(dir, journal.Options{
		FS: l.disk, SegmentBytes: 2000, MaxBytes: 20_000, SegmentAge: 30 * time.Second,
		Recent:      []int64{0, 500, 1 << 20}[l.runs%3],
		Synchronous: true, Now: func() time.Time { return l.now }, Rand: l.rnd.Uint32,
		Checkpoint: func() []byte { return number(l.done) },
		Yield: func() journal.Seq {
			l.let = max(l.let, l.done) // a crash may come before Yielded
			return l.done
		},
	}, func(r journal.Record) error {
		switch r.Type {
		case journal.Entry:
			entries[r.Seq] = string(r.Payload)
			order = append(order, r.Seq)
		default:
			l.done = max(l.done, journal.Seq(binary.BigEndian.Uint64(r.Payload)))
		}
		return nil
	})
	if err != nil {
		return nil // tried again
	}
	l.j = j
	st := j.Stats()
	// What was given up as soon as it was opened; that it was let go is checked below.
	order = slices.DeleteFunc(order, func(seq journal.Seq) bool { return seq < st.First })
	for i, seq := range order {
		if want := st.First + journal.Seq(i); seq != want {
			return fmt.Errorf("entry %d in the place of %d", seq, want)
		}
		if l.void[entries[seq]] {
			return fmt.Errorf("entry %d is there, and was void", seq)
		}
	}
	if len(j.Damage()) > 0 {
		return fmt.Errorf("damage: %+v", j.Damage())
	}
	if l.done < l.flushed && st.First <= l.flushed {
		return fmt.Errorf("the owner knows up to %d, it flushed %d", l.done, l.flushed)
	}
	if l.done+1 < st.First && !l.full {
		return fmt.Errorf("entries before %d are gone, the owner knows of %d", st.First, l.done)
	}
	for seq, p := range l.acked {
		switch {
		case seq < st.First && seq > l.let:
			return fmt.Errorf("entry %d is gone, first is %d, let go were %d", seq, st.First, l.let)
		case seq < st.First:
			delete(l.acked, seq)
		case entries[seq] != p:
			return fmt.Errorf("acknowledged entry %d is %.20q, want %.20q", seq, entries[seq], p)
		}
	}
	l.done = max(l.done, st.First-1)
	return nil
}

func (l *life) step() error {
	if l.j == nil {
		return l.open()
	}
	switch l.rnd.IntN(12) {
	default:
		l.n++
		p := fmt.Sprint("p-", l.n, strings.Repeat("x", l.rnd.IntN(300)))
		l.void[p] = true // until it is known to be kept, if this process dies
		defer func() {
			if r := recover(); r != nil {
				delete(l.void, p)
				panic(r)
			}
		}()
		seq, err := l.j.Append(context.Background(), []byte(p))
		switch {
		case err == nil:
			delete(l.void, p)
			l.acked[seq] = p
		case errors.Is(err, journal.ErrUnknown):
			delete(l.void, p)
		case errors.Is(err, journal.ErrFull) && l.done == l.j.Stats().Last && l.now.Sub(l.failed) > time.Second:
			return fmt.Errorf("refused with nothing pending: %w", err)
		}
	case 6:
		l.done = min(l.done+journal.Seq(l.rnd.IntN(20)), l.j.Stats().Last)
		l.j.Mark(number(l.done))
	case 7:
		if l.chance(4) {
			l.let = max(l.let, l.done)
			l.j.Release(l.done)
		}
	case 8:
		done := l.done
		l.j.Mark(number(done))
		if l.j.Flush(context.Background()) == nil {
			l.flushed = max(l.flushed, done)
		}
	case 9:
		l.now = l.now.Add(time.Duration(l.rnd.IntN(20)-2) * time.Second)
		l.j.Tick()
	case 10:
		r := l.j.NewReader(l.j.Stats().First)
		for {
			rec, ok, err := r.Try()
			if err != nil || !ok {
				if err == nil && r.Pos() != l.j.Stats().Last+1 {
					return fmt.Errorf("the reader ends at %d, last is %d", r.Pos(), l.j.Stats().Last)
				}
				break
			}
			if p, there := l.acked[rec.Seq]; there && p != string(rec.Payload) {
				return fmt.Errorf("entry %d reads as %.20q, want %.20q", rec.Seq, rec.Payload, p)
			}
		}
		_ = r.Close()
	case 11:
		if l.chance(20) {
			_ = l.j.Close()
			l.j = nil
		}
	}
	return nil
}

// survive does a step, and lets the system crash if the disk ends the process.
func (l *life) survive() (err error) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case died:
			l.j = nil
			image := journaltest.Everything() // the process only
			if l.chance(2) {
				image = journaltest.Random(64, l.rnd.Uint64())
			}
			l.disk = journaltest.From(l.disk.Crash(len(l.disk.Ops()), image))
			l.disk.Hook = l.hook
		default:
			panic(r)
		}
	}()
	return l.step()
}

// Many processes, one after the other, on a disk that fails, fills and crashes.
func TestSimulation(t *testing.T) {
	seeds, steps := 40, 2500
	if testing.Short() || raceEnabled {
		seeds = 5
	}
	runs, calls := 0, 0
	for seed := range seeds {
		l := newLife(uint64(seed))
		for i := range steps {
			if err := l.survive(); err != nil {
				t.Fatalf("seed %d, step %d, run %d: %v", seed, i, l.runs, err)
			}
		}
		runs, calls = runs+l.runs, calls+l.calls
	}
	t.Logf("%d runs, %d calls of the file system", runs, calls)
}

// The same seed does the same.
func TestSimulationRepeats(t *testing.T) {
	digest := func() uint64 {
		l, h := newLife(7), fnv.New64a()
		l.watch = func(op journaltest.Op) { fmt.Fprintln(h, op.Kind, op.Name, op.Off, op.Len, len(op.Data)) }
		for range 1000 {
			if err := l.survive(); err != nil {
				t.Fatal(err)
			}
		}
		return h.Sum64()
	}
	if a, b := digest(), digest(); a != b {
		t.Errorf("two runs with one seed differ: %x, %x", a, b)
	}
}

// A panic of the file system passes through, and leaves a journal that is closed.
func TestPanicPassesThrough(t *testing.T) {
	d := journaltest.New()
	j, err := journal.Open(dir, journal.Options{FS: d, Synchronous: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Hook = func(journaltest.Op) *journaltest.Fault { panic(died{}) }
	func() {
		defer func() {
			if recover() != (died{}) {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = j.Append(t.Context(), []byte("x"))
	}()
	if _, err := j.Append(t.Context(), []byte("y")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append afterwards: %v, want ErrClosed", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("Close afterwards: %v", err)
	}
	j.Release(1)
	j.Tick()
}
