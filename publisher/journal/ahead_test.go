package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// newest returns the name of the newest segment, and what it holds.
func newest(fs *journaltest.FS) (string, []byte) {
	files := fs.Files()
	all := names(files)
	name := all[len(all)-1]
	return name, files[name]
}

// zerosAtEnd returns how many zeros b ends with.
func zerosAtEnd(b []byte) int { return len(b) - len(bytes.TrimRight(b, "\x00")) }

// isFill matches the writes of zeros.
func isFill(op journaltest.Op) bool {
	return op.Kind == journaltest.Write && len(op.Data) > 0 && zerosAtEnd(op.Data) == len(op.Data)
}

// fills returns the writes of zeros on fs.
func fills(fs *journaltest.FS) (all []journaltest.Op) {
	for _, op := range fs.Ops() {
		if isFill(op) {
			all = append(all, op)
		}
	}
	return all
}

// Most appends take the place of zeros, and so leave the size of the file as it is: but where
// that would spare nothing.
func TestAppendOverZeros(t *testing.T) {
	for _, copies := range []bool{false, true} {
		fs := journaltest.New()
		fs.CopiesOnWrite = copies
		j := open(t, journal.Options{FS: fs}, nil)
		const appends = 64
		grew := 0
		for i := range appends {
			_, before := newest(fs)
			used := j.Stats().Bytes
			mustAppend(t, j, strings.Repeat("x", 1000))
			if _, b := newest(fs); len(b) > len(before) {
				grew++
			}
			if n := j.Stats().Bytes - used; n < 1000 || n > 1100 {
				t.Errorf("append %d: the journal has %d bytes more", i, n)
			}
		}
		if !copies && (grew == 0 || grew > 10) {
			t.Errorf("the file grew in %d of %d appends, want few", grew, appends)
		}
		if copies && (grew != appends || len(fills(fs)) > 0) {
			t.Errorf("copies on write: the file grew in %d of %d appends, zeros were written %d times", grew, appends, len(fills(fs)))
		}
		_ = j.Close()
	}
}

// A frame may end with a zero: it is no part of the zeros behind it.
func TestFrameEndsWithZero(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	for i := range 1500 {
		p := fmt.Sprint("p", i)
		mustAppend(t, j, p)
		if i < 700 { // one frame of 256 does
			continue
		}
		r, err := journal.Scan(dir, fs, nil)
		if err != nil || int(r.Last) != i+1 || r.Torn != 0 || r.Bytes != j.Stats().Bytes {
			t.Fatalf("after %d: %+v, %v; want %d bytes", i+1, r, err, j.Stats().Bytes)
		}
	}
	if got, _ := contents(t, fs.Crash(len(fs.Ops()), journaltest.Everything())); len(got) != 1500 {
		t.Errorf("%d entries are there", len(got))
	}
}

// A disk that is full for the zeros is not yet full for an entry.
func TestNoSpaceForZeros(t *testing.T) {
	for name, syncs := range map[string]bool{"write": false, "flush": true} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			j := open(t, journal.Options{FS: fs, SegmentBytes: 4000, Checkpoint: func() []byte { return number(0) }}, nil)
			failed, filled := 0, false
			fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
				filled = filled || isFill(op)
				if failed > 0 || !filled || syncs && op.Kind != journaltest.Sync {
					return nil
				}
				failed++
				return &journaltest.Fault{Err: syscall.ENOSPC, Short: len(op.Data) / 2}
			})
			var want []string
			for i := range 3 {
				want = append(want, fmt.Sprint(i, strings.Repeat("x", 500)))
				if seq := mustAppend(t, j, want[i]); int(seq) != i+1 {
					t.Errorf("got %d, want %d", seq, i+1)
				}
			}
			if st := j.Stats(); failed != 1 || st.Fault != nil {
				t.Errorf("failed %d times, %+v", failed, st)
			}
			if _, b := newest(fs); len(fills(fs)) != 1 || zerosAtEnd(b) > 4 {
				t.Errorf("zeros were written %d times, and %d are left", len(fills(fs)), zerosAtEnd(b))
			}
			for i := range 12 { // into the next segment, where it is tried again
				want = append(want, fmt.Sprint("later", i, strings.Repeat("x", 500)))
				mustAppend(t, j, want[len(want)-1])
			}
			if len(fills(fs)) == 1 {
				t.Error("no zeros are written in a later segment")
			}
			got, damage := contents(t, fs.Crash(len(fs.Ops()), journaltest.FlushedOnly()))
			if !equal(got, want) || len(damage) > 0 {
				t.Errorf("got %.100q, %v", got, damage)
			}
			_ = j.Close()
		})
	}
}

// Zeros for which a flush found no space do not take it from the header of the next segment.
func TestZerosMakeWayForHeader(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, strings.Repeat("x", 1000))
	failed := false
	var filled journaltest.Op
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		if isFill(op) {
			filled = op
		}
		if failed || op.Kind != journaltest.Sync || filled.Data == nil {
			return nil
		}
		failed = true
		fs.Capacity = filled.Off + int64(len(filled.Data))
		return &journaltest.Fault{Err: syscall.ENOSPC}
	})
	mustAppend(t, j, strings.Repeat("y", 3000))
	if !failed || len(names(fs.Files())) != 2 {
		t.Errorf("failed %v, %d segments, want 2", failed, len(names(fs.Files())))
	}
	_ = j.Close()
}

// A newer process takes the directory and reads the batch while a flush is under way that finds no space
// for the zeros behind it. The older one cuts off the zeros alone.
func TestNoSpaceForZerosWhenTaken(t *testing.T) {
	fs := journaltest.New()
	var newer *journal.Journal
	var read []string
	older := open(t, journal.Options{Synchronous: true, FS: &stepping{FS: fs, before: func() {
		if newer != nil || len(fills(fs)) < 2 {
			return
		}
		newer = openSync(t, fs, func(r journal.Record) error {
			if r.Type == journal.Entry {
				read = append(read, string(r.Payload))
			}
			return nil
		})
		fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
			if op.Kind != journaltest.Sync {
				t.Errorf("%s %s, want the flush", op.Kind, op.Name)
			}
			fs.Hook = nil
			return &journaltest.Fault{Err: syscall.ENOSPC}
		})
	}}}, nil)
	want := []string{strings.Repeat("a", 1000), strings.Repeat("b", 3000)}
	mustAppend(t, older, want[0])
	if _, err := older.Append(t.Context(), []byte(want[1])); !errors.Is(err, journal.ErrUnknown) || !older.Stats().Taken {
		t.Errorf("got %v, %+v; want ErrUnknown, and taken", err, older.Stats())
	}
	if !equal(read, want) {
		t.Fatalf("the newer process read %.20q", read)
	}
	mustAppend(t, newer, "c")
	r, err := journal.Scan(dir, fs, nil)
	if err != nil || len(r.Damage) > 0 || r.Last != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	_, _ = older.Close(), newer.Close()
	if got, damage := contents(t, fs.Files()); !equal(got, append(want, "c")) || len(damage) > 0 {
		t.Errorf("got %.20q, %+v", got, damage)
	}
}

// A request that finds the active segment too old does not wait until it is flushed that its zeros were
// cut off. A file that is to be removed is closed before: else it would keep its space.
func TestCutIsFlushedAfterAnswer(t *testing.T) {
	for _, removed := range []bool{false, true} {
		fs := journaltest.New()
		now := time.Now()
		answered := 0
		opened := map[int]int{} // files, ahead of an operation
		j := open(t, journal.Options{
			FS:         &stepping{FS: fs, before: func() { opened[len(fs.Ops())] = fs.OpenFiles() }},
			SegmentAge: time.Minute, Now: func() time.Time { return now }, Synchronous: true,
			OnFlush: func(journal.Seq, []byte) { answered = len(fs.Ops()) },
		}, nil)
		mustAppend(t, j, strings.Repeat("x", 3000))
		first, _ := newest(fs)
		if removed {
			j.Release(1)
		}
		from := len(fs.Ops())
		now = now.Add(time.Hour)
		mustAppend(t, j, "next")
		var cut, flushed, gone int
		for _, op := range fs.Ops()[from:] {
			switch {
			case op.Name != first:
			case op.Kind == journaltest.Truncate:
				cut = op.N
			case op.Kind == journaltest.Sync:
				flushed = op.N
			case op.Kind == journaltest.Remove:
				gone = op.N
			}
		}
		if cut == 0 || flushed < cut || (gone > 0) != removed {
			t.Errorf("removed %v: cut at %d, flushed at %d, removed at %d", removed, cut, flushed, gone)
		}
		if !removed && flushed < answered {
			t.Errorf("flushed at %d, and answered at %d", flushed, answered)
		}
		if removed && opened[gone] != 1 {
			t.Errorf("%d files are open when one is removed, want 1", opened[gone])
		}
		_ = j.Close()
	}
}

// As many bytes in one batch as zeros are written ahead use them up at once, and the file grows with each.
func TestNoZerosBehindLargeBatch(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	for range 4 {
		mustAppend(t, j, strings.Repeat("x", 256<<10))
	}
	if n := len(fills(fs)); n > 0 {
		t.Errorf("zeros were written %d times", n)
	}
	for range 4 {
		mustAppend(t, j, strings.Repeat("x", 60<<10))
	}
	if n := len(fills(fs)); n != 1 {
		t.Errorf("for small batches behind large ones zeros were written %d times, want once", n)
	}
	_ = j.Close()
}

// Zeros that were cut off do not come back with a power loss: if the header behind them is damaged,
// they would be damage too.
func TestZerosStayCutOff(t *testing.T) {
	for name, leave := range map[string]func(fs *journaltest.FS, o journal.Options, j *journal.Journal, now *time.Time) *journal.Journal{
		"rolled_over": func(_ *journaltest.FS, _ journal.Options, j *journal.Journal, now *time.Time) *journal.Journal {
			*now = now.Add(time.Hour)
			return j
		},
		"killed": func(fs *journaltest.FS, o journal.Options, _ *journal.Journal, _ *time.Time) *journal.Journal {
			return open(t, o, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			now := time.Now()
			o := journal.Options{FS: fs, SegmentAge: time.Minute, Now: func() time.Time { return now }, Synchronous: true}
			j := open(t, o, nil)
			mustAppend(t, j, strings.Repeat("x", 3000))
			first, b := newest(fs)
			if zerosAtEnd(b) < 1000 {
				t.Fatalf("%d zeros", zerosAtEnd(b))
			}
			k := leave(fs, o, j, &now)
			mustAppend(t, k, "next")
			files := fs.Crash(len(fs.Ops()), journaltest.FlushedOnly())
			last := names(files)[1]
			if n := zerosAtEnd(files[first]); n > 4 {
				t.Errorf("%d zeros", n)
			}
			files[last][20] ^= 0xff
			r, err := journal.Scan(dir, journaltest.From(files), nil)
			if err != nil || len(r.Damage) != 1 || r.Damage[0].Offset != 0 || r.Last != 2 {
				t.Errorf("%+v, %v", r, err)
			}
			_, _ = k.Close(), j.Close()
		})
	}
}

// What bounds the journal is for entries: zeros are an eighth of the room at most.
func TestNoZerosNearBound(t *testing.T) {
	const bound = 60_000
	for name, set := range map[string]func(*journaltest.FS, *journal.Options){
		"MaxBytes": func(_ *journaltest.FS, o *journal.Options) { o.MaxBytes = bound },
		"Reserve": func(fs *journaltest.FS, o *journal.Options) {
			fs.Capacity, o.Reserve = bound+100_000, 100_000
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs := journaltest.New()
			o := journal.Options{FS: fs, SegmentBytes: 20_000}
			set(fs, &o)
			j := open(t, o, nil)
			var err error
			var appended, last int
			for err == nil && appended < 1000 {
				before := len(fills(fs))
				used := j.Stats().Bytes
				_, err = j.Append(t.Context(), bytes.Repeat([]byte{'x'}, 700))
				var files int64
				for _, b := range fs.Files() {
					files += int64(len(b))
				}
				if files > bound {
					t.Fatalf("the files have %d bytes", files)
				}
				for _, op := range fills(fs)[before:] {
					last = appended
					if room := bound - used; int64(len(op.Data))*8 > room {
						t.Errorf("%d zeros with %d bytes of room", len(op.Data), room)
					}
				}
				if err == nil {
					appended++
				}
			}
			if !errors.Is(err, journal.ErrFull) || last == 0 || last > appended-5 {
				t.Errorf("%d appends, the last zeros with number %d, then %v", appended, last, err)
			}
			// The zeros that are left are room too.
			if st := j.Stats(); bound-st.Bytes > 1500 {
				t.Errorf("refused with %d bytes used of %d", st.Bytes, bound)
			}
			_ = j.Close()
		})
	}
}

// Only the active segment of a running journal has zeros at its end.
func TestZerosAreCutOff(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, SegmentBytes: 10_000}, nil)
	for range 32 {
		mustAppend(t, j, strings.Repeat("x", 700))
	}
	active, b := newest(fs)
	if zerosAtEnd(b) < 100 || len(names(fs.Files())) < 3 {
		t.Fatalf("%d zeros, %d segments", zerosAtEnd(b), len(names(fs.Files())))
	}
	left := func(closed bool) (bytes int64) {
		for name, b := range segments(fs.Files()) {
			bytes += int64(len(b))
			if n := zerosAtEnd(b); n > 4 && (closed || name != active) {
				t.Errorf("closed %v: %d zeros at the end of %s", closed, n, name)
			}
		}
		return bytes
	}
	left(false)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := journal.Scan(dir, fs, nil)
	if bytes := left(true); err != nil || r.Bytes != bytes || r.Last != 32 || r.Torn != 0 || len(r.Damage) > 0 {
		t.Errorf("%d bytes, %+v, %v", bytes, r, err)
	}
}

// A batch that is written over zeros is torn by the sector, in any order. It is there as a whole
// or not at all, and nothing before it is touched.
func TestTornOverwrite(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, strings.Repeat("a", 4000))
	from := len(fs.Ops())
	b := strings.Repeat("b", 2500)
	mustAppend(t, j, b)
	ops := fs.Ops()
	cut := from
	for ops[cut].Kind != journaltest.Sync {
		cut++
	}
	if len(fills(fs)) != 1 {
		t.Fatalf("zeros were written %d times, want once: %s", len(fills(fs)), journaltest.Format(ops))
	}
	whole := 0
	const pieces = 7 // 2500 bytes are in six sectors, or five; and the size
	for mask := range 1 << pieces {
		asked := 0
		image := journaltest.Image{Page: 512, Keep: func() bool {
			asked++
			return mask>>(asked-1)&1 == 1
		}}
		files := fs.Crash(cut, image)
		if asked < 5 || asked > pieces {
			t.Fatalf("the write has %d pieces", asked)
		}
		got, damage := contents(t, files)
		if len(damage) > 0 || len(got) == 0 || len(got[0]) != 4000 || len(got) > 2 || len(got) == 2 && got[1] != b {
			t.Fatalf("pieces %b: %d entries, damage %v", mask, len(got), damage)
		}
		if len(got) == 2 {
			whole++
		}
		report, err := journal.Scan(dir, journaltest.From(files), nil)
		if err != nil || int(report.Last) != len(got) || len(report.Damage) > 0 {
			t.Fatalf("pieces %b: %+v, %v, want %d entries", mask, report, err, len(got))
		}
	}
	if whole == 0 || whole > 8 {
		t.Errorf("whole in %d of %d crashes", whole, 1<<pieces)
	}
	_ = j.Close()
}

// Zeros at the end hide no damage before them, not even if that is a sector of zeros.
func TestDamageBeforeZeros(t *testing.T) {
	for name, spoil := range map[string]func([]byte){
		"zeros": func(b []byte) { clear(b) },
		"bits":  func(b []byte) { b[100] ^= 0xff },
	} {
		fs := journaltest.New()
		j := open(t, journal.Options{FS: fs}, nil)
		for i := range 5 {
			mustAppend(t, j, fmt.Sprint(i, strings.Repeat("x", 2000)))
		}
		files := fs.Files()
		last, b := newest(fs)
		if zerosAtEnd(b) < 1000 {
			t.Fatalf("%d zeros", zerosAtEnd(b))
		}
		_ = j.Close()
		sector := bytes.Index(b, []byte("2xxx"))/512*512 + 1024 // within the third entry
		spoil(files[last][sector : sector+512])
		report, err := journal.Scan(dir, journaltest.From(files), nil)
		if err != nil || len(report.Damage) != 1 || report.Damage[0].FirstLost != 3 || report.Damage[0].LastLost != 3 || report.Last != 5 || report.Torn != 0 {
			t.Errorf("%s: Scan: %+v, %v", name, report, err)
		}
		if err := compareScan(files); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, damage := contents(t, files)
		if len(got) != 4 || len(damage) != 1 || damage[0].FirstLost != 3 || damage[0].LastLost != 3 {
			t.Errorf("%s: %d entries, %+v", name, len(got), damage)
		}
	}
}

// What a crash left in front of the zeros is counted to the byte.
func TestTornBeforeZeros(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	for range 3 {
		mustAppend(t, j, strings.Repeat("x", 1000))
	}
	end := j.Stats().Bytes
	files := fs.Files()
	last, _ := newest(fs)
	copy(files[last][end:], "torn")
	report, err := journal.Scan(dir, journaltest.From(files), nil)
	want := journal.Report{Segments: 1, Bytes: end + 4, First: 1, Last: 3, Torn: 4, Damage: []journal.Damage{}}
	if err != nil || !reflect.DeepEqual(report, want) {
		t.Errorf("got %+v, %v; want %+v", report, err, want)
	}
	_ = j.Close()
}

// On a disk with nothing free but the reserve, the zeros take the entries that they have room for.
func TestZerosAreRoom(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, Reserve: 1000}, nil)
	mustAppend(t, j, strings.Repeat("x", 3000))
	var files int64
	for _, b := range fs.Files() {
		files += int64(len(b))
	}
	fs.SetCapacity(files + 1000)
	if _, err := j.Append(t.Context(), make([]byte, 3500)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("more than the zeros: got %v, want ErrFull", err)
	}
	mustAppend(t, j, strings.Repeat("y", 2000))
	if _, err := j.Append(t.Context(), make([]byte, 2000)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("more than the zeros that are left: got %v, want ErrFull", err)
	}
	mustAppend(t, j, strings.Repeat("z", 500))
	_ = j.Close()
}

// asking is the operating system's file system, which asks something during each flush.
type asking struct {
	journal.FS
	ask func()
}

type askingFile struct {
	journal.File
	ask func()
}

func (a asking) OpenFile(name string, flag int, perm os.FileMode) (journal.File, error) {
	f, err := a.FS.OpenFile(name, flag, perm)
	return askingFile{f, a.ask}, err
}

func (f askingFile) Sync() error {
	f.ask()
	return f.File.Sync()
}

// TestFullBesideFlush is for the race detector. A file system in memory would order by its lock what
// nothing else does.
func TestFullBesideFlush(t *testing.T) {
	var j *journal.Journal
	var asked sync.WaitGroup
	files := asking{FS: disk.OS, ask: func() {
		if j != nil {
			asked.Go(func() { _ = j.Full() })
		}
	}}
	j, err := journal.Open(t.TempDir(), journal.Options{FS: files, MaxBytes: 1 << 20, Reserve: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), make([]byte, 1<<20)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	for range 100 {
		j.Mark([]byte("a mark leaves Full as it is"))
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	asked.Wait()
	if j.Full() == nil {
		t.Error("it is not full")
	}
	_ = j.Close()
}
