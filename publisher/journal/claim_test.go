package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// Another process opens the directory: the first one answers nothing more, and changes
// nothing; all it answered before is known to the second.
func TestTaken(t *testing.T) {
	fs := journaltest.New()
	first := open(t, journal.Options{FS: fs, SegmentBytes: 200}, nil)
	want := []string{"a", "b", "c"}
	for _, p := range want {
		mustAppend(t, first, p)
	}
	second := open(t, journal.Options{FS: fs}, nil)
	if _, err := first.Append(t.Context(), []byte("victim")); !errors.Is(err, journal.ErrUnknown) && !errors.Is(err, journal.ErrVoid) || !errors.Is(err, journal.ErrTaken) {
		t.Errorf("got %v, want ErrUnknown or ErrVoid, and ErrTaken", err)
	}
	before := fs.Files()
	for range 3 {
		first.Mark([]byte("m"))
		first.Release(3)
		if _, err := first.Append(t.Context(), []byte("late")); !errors.Is(err, journal.ErrVoid) || !errors.Is(err, journal.ErrTaken) {
			t.Errorf("later: got %v, want ErrVoid and ErrTaken", err)
		}
		if err := first.Flush(t.Context()); !errors.Is(err, journal.ErrTaken) {
			t.Errorf("Flush: got %v, want ErrTaken", err)
		}
	}
	if st := first.Stats(); !st.Taken || !errors.Is(st.Fault, journal.ErrTaken) {
		t.Errorf("Stats: %+v", st)
	}
	if err := first.Close(); !errors.Is(err, journal.ErrTaken) {
		t.Errorf("Close: %v", err)
	}
	if after := fs.Files(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("the first process changed the directory")
	}
	mustAppend(t, second, "d")
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if got, d := contents(t, fs.Files()); !equal(got, append(want, "d")) || len(d) > 0 {
		t.Errorf("got %q, %v", got, d)
	}
}

// The same with the second process beginning ahead of each operation of the first
// one, in the middle of an append, a roll-over and a removal.
func TestTakenAtEveryOperation(t *testing.T) {
	const never = -1
	newer := 0
	// run has the first process append, and the second one do its work at one moment. It
	// returns how many operations the first one did.
	run := func(at int) (operations int) {
		fs := journaltest.New()
		var answered, seen []string
		second := func() {
			j := openSync(t, fs, func(r journal.Record) error {
				if r.Type == journal.Entry {
					seen = append(seen, string(r.Payload))
				}
				return nil
			})
			if d := j.Damage(); len(d) > 0 {
				t.Errorf("operation %d: the second process found damage %+v", at, d)
			}
			mustAppend(t, j, "second")
			seen = append(seen, "second")
			for _, p := range answered {
				if !slices.Contains(seen, p) && !strings.HasPrefix(p, "first-0") {
					t.Errorf("operation %d: %q was answered, and the second process did not see it", at, p)
				}
			}
		}
		answeredBefore := 0
		first, err := journal.Open(dir, journal.Options{
			FS: &stepping{FS: fs, before: func() {
				if operations == at {
					second()
					answeredBefore = len(answered)
				}
				operations++
			}},
			SegmentBytes: 200, Synchronous: true, Checkpoint: func() []byte { return nil },
		}, nil)
		if err == nil {
			for i := range 12 {
				p := fmt.Sprint("first-", i)
				if _, err := first.Append(context.Background(), []byte(p)); err == nil {
					answered = append(answered, p)
				}
				first.Mark([]byte("m"))
				if i == 8 {
					first.Release(1)
				}
			}
			_ = first.Close()
		}
		if at == never {
			return operations
		}
		if len(answered) == 12 && answeredBefore == 0 {
			newer++ // the second one was there before the first had claimed
			return operations
		}
		if len(answered) > answeredBefore && !slices.Contains(seen, answered[len(answered)-1]) {
			t.Errorf("operation %d: %q was answered after the second process had begun", at, answered[answeredBefore:])
		}
		got, d := contents(t, fs.Files())
		if len(d) > 0 || !equal(got, seen) {
			t.Errorf("operation %d: the second process saw %q, its successor %q, damage %+v", at, seen, got, d)
		}
		return operations
	}
	total := run(never)
	for n := range total {
		run(n)
	}
	if newer > 10 {
		t.Errorf("the first process was not taken from in %d of %d cases", newer, total)
	}
	t.Logf("%d operations", total)
}

// A second process takes the directory at each operation of a first one that begins a
// segment, and a third one at each operation of the second, while the first still
// writes. The directory stays one that can be opened.
func TestThreeInTurnAtEveryOperation(t *testing.T) {
	const never = -1
	victim := strings.Repeat("v", 100)
	run := func(secondAt, thirdAt int) (ofFirst, ofSecond int) {
		fs := journaltest.New()
		var want []string
		opened := func(who string, fs journal.FS) *journal.Journal {
			j, err := journal.Open(dir, journal.Options{FS: fs, SegmentBytes: 100, Synchronous: true}, nil)
			if err != nil && !errors.Is(err, journal.ErrTaken) {
				t.Errorf("operations %d and %d: the %s process: %v", secondAt, thirdAt, who, err)
			}
			return j
		}
		third := func() {
			if j := opened("third", fs); j != nil {
				mustAppend(t, j, "third")
				want = append(want, "third")
				_ = j.Close()
			}
		}
		second := func() {
			j := opened("second", &stepping{FS: fs, before: func() {
				if ofSecond == thirdAt {
					third()
				}
				ofSecond++
			}})
			if j != nil {
				_ = j.Close()
			}
		}
		counting := false
		first := opened("first", &stepping{FS: fs, before: func() {
			if !counting {
				return
			}
			if ofFirst == secondAt {
				second()
			}
			ofFirst++
		}})
		mustAppend(t, first, victim[1:])
		want = append(want, victim[1:])
		counting = true
		if _, err := first.Append(t.Context(), []byte(victim)); err == nil {
			want = slices.Insert(want, 1, victim)
		}
		counting = false
		_ = first.Close()

		var got []string
		last, err := journal.Open(dir, journal.Options{FS: fs, Synchronous: true}, func(r journal.Record) error {
			if r.Type == journal.Entry {
				got = append(got, string(r.Payload))
			}
			return nil
		})
		if err != nil {
			t.Errorf("operations %d and %d: %v", secondAt, thirdAt, err)
			return ofFirst, ofSecond
		}
		if !slices.Contains(want, victim) { // nobody can tell
			got = slices.DeleteFunc(got, func(s string) bool { return s == victim })
		}
		if d := last.Damage(); len(d) > 0 || !slices.Equal(got, want) {
			t.Errorf("operations %d and %d: got %q and %+v, want %q", secondAt, thirdAt, got, d, want)
		}
		return ofFirst, ofSecond
	}
	firsts, _ := run(never, never)
	for n := range firsts {
		_, seconds := run(n, never)
		if seconds < 10 {
			t.Errorf("the second process did %d operations", seconds)
		}
		for m := range seconds {
			run(n, m)
		}
	}
}

func openSync(t *testing.T, fs journal.FS, fn func(journal.Record) error) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{FS: fs, SegmentBytes: 300, Synchronous: true}, fn)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// On the real file system: two processes that open and append as they like. What was
// answered is there.
func TestTakenInTurnOnDisk(t *testing.T) {
	where := t.TempDir()
	var mu sync.Mutex
	var answered []string
	var wg sync.WaitGroup
	for p := range 3 {
		wg.Go(func() {
			for round := range 8 {
				j, err := journal.Open(where, journal.Options{SegmentBytes: 2000}, nil)
				if errors.Is(err, journal.ErrTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 30 {
					s := fmt.Sprintf("%d-%d-%d", p, round, i)
					_, err := j.Append(context.Background(), []byte(s))
					if errors.Is(err, journal.ErrTaken) {
						break
					}
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					answered = append(answered, s)
					mu.Unlock()
				}
				_ = j.Close()
			}
		})
	}
	wg.Wait()
	found := map[string]int{}
	j, err := journal.Open(where, journal.Options{}, func(r journal.Record) error {
		found[string(r.Payload)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if d := j.Damage(); len(d) > 0 {
		t.Errorf("damage %+v", d)
	}
	for _, s := range answered {
		if found[s] != 1 {
			t.Errorf("%s is there %d times", s, found[s])
		}
	}
	t.Logf("%d answered", len(answered))
}

// On a full disk there is no room for the claim: the journal opens, and makes it
// later; if another process was there meanwhile, it is that one's.
func TestClaimOnFullDisk(t *testing.T) {
	for _, other := range []bool{false, true} {
		files := someLog(t, 3, 1<<20)
		fs := journaltest.From(files)
		fs.Hook = func(op journaltest.Op) *journaltest.Fault {
			if op.Kind == journaltest.Create {
				return &journaltest.Fault{Err: syscall.ENOSPC}
			}
			return nil
		}
		j := open(t, journal.Options{FS: fs}, nil)
		if _, err := j.Append(t.Context(), []byte("x")); !errors.Is(err, journal.ErrVoid) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want ErrVoid and ENOSPC", err)
		}
		if got, _ := readAll(t, j); len(got) != 3 {
			t.Errorf("read %v", got)
		}
		fs.SetHook(nil)
		if other {
			k := open(t, journal.Options{FS: fs}, nil)
			mustAppend(t, k, "other")
			_ = k.Close()
			if _, err := j.Append(t.Context(), []byte("x")); !errors.Is(err, journal.ErrTaken) {
				t.Errorf("got %v, want ErrTaken", err)
			}
		} else if seq := mustAppend(t, j, "x"); seq != 4 {
			t.Errorf("got %d", seq)
		}
		_ = j.Close()
		if got, d := contents(t, fs.Files()); len(got) != 4 || len(d) > 0 {
			t.Errorf("got %q, %v", got, d)
		}
	}
}

// A process that makes its claim late notices what others have added, wherever that is, and also if
// an operation fails while it looks.
func TestLateClaimSeesWhatWasAdded(t *testing.T) {
	full := func(op journaltest.Op) *journaltest.Fault {
		if op.Kind == journaltest.Create {
			return &journaltest.Fault{Err: syscall.ENOSPC}
		}
		return nil
	}
	for name, add := range map[string]func(*journaltest.FS, *journal.Journal){
		"in_another_segment": func(fs *journaltest.FS, _ *journal.Journal) {
			fs.SetHook(nil)
			k := open(t, journal.Options{FS: fs}, nil)
			mustAppend(t, k, "added")
			_ = k.Close()
		},
		"over_zeros": func(fs *journaltest.FS, owner *journal.Journal) {
			_, before := newest(fs)
			mustAppend(t, owner, "added")
			if _, b := newest(fs); len(b) != len(before) {
				t.Errorf("the file has %d bytes, and had %d", len(b), len(before))
			}
		},
		"behind_the_end": func(fs *journaltest.FS, owner *journal.Journal) {
			mustAppend(t, owner, strings.Repeat("added", 2000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			// run returns how many operations the late process did. The failed one is the n-th of them.
			run := func(n int) int {
				fs := journaltest.New()
				owner := open(t, journal.Options{FS: fs}, nil)
				mustAppend(t, owner, strings.Repeat("x", 3000))
				fs.SetHook(full)
				late := open(t, journal.Options{FS: fs, Synchronous: true}.WithDelays(time.Hour, time.Nanosecond), nil)
				add(fs, owner)
				before := len(fs.Ops())
				fs.SetHook(journaltest.FailNth(n, false, syscall.EIO, func(journaltest.Op) bool { return true }))
				if _, err := late.Append(t.Context(), []byte("late")); err == nil {
					t.Errorf("fault at %d: late is kept", n)
				}
				operations := len(fs.Ops()) - before
				fs.SetHook(nil)
				if _, err := late.Append(t.Context(), []byte("late")); !errors.Is(err, journal.ErrTaken) {
					t.Errorf("fault at %d, then got %v, want ErrTaken", n, err)
				}
				if got, d := contents(t, fs.Files()); len(got) != 2 || !strings.HasPrefix(got[1], "added") || len(d) > 0 {
					t.Errorf("fault at %d: got %.20q, %v", n, got, d)
				}
				_, _ = owner.Close(), late.Close()
				return operations
			}
			total := run(1 << 20)
			for n := range total {
				run(n)
			}
			if total < 7 {
				t.Errorf("%d operations", total)
			}
		})
	}
}

// A process that found no room for its claim removes nothing: an unused segment may be that of an
// owner who is at work.
func TestUnusedSegmentStaysWithoutClaim(t *testing.T) {
	fs := journaltest.From(someLog(t, 3, 1<<20))
	owner := open(t, journal.Options{FS: fs}, nil)
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		if op.Kind == journaltest.Create {
			return &journaltest.Fault{Err: syscall.ENOSPC}
		}
		return nil
	})
	late := open(t, journal.Options{FS: fs}.WithDelays(time.Hour, time.Nanosecond), nil)
	mustAppend(t, owner, "x")
	fs.SetHook(nil)
	if _, err := late.Append(t.Context(), []byte("late")); !errors.Is(err, journal.ErrTaken) {
		t.Errorf("got %v, want ErrTaken", err)
	}
	if got, d := contents(t, fs.Files()); len(got) != 4 || got[3] != "x" || len(d) > 0 {
		t.Errorf("got %q, %v", got, d)
	}
	_, _ = owner.Close(), late.Close()
}

// Processes that only come and go leave no files behind.
func TestUnusedSegmentsDoNotPileUp(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	for range 10 { // killed each time
		j = open(t, journal.Options{FS: fs}, nil)
	}
	eventually(t, "two segments are left", func() bool { return len(names(fs.Files())) == 2 })
	mustAppend(t, j, "b")
	if got, d := contents(t, fs.Files()); !equal(got, []string{"a", "b"}) || len(d) > 0 {
		t.Errorf("got %q, %v", got, d)
	}
}

// Nothing is added to a segment of an earlier process.
func TestOpenBeginsASegment(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "a")
	before := fs.Files()
	j = open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "b")
	for name, b := range segments(before) {
		got := fs.Files()[name]
		if !bytes.Equal(bytes.TrimRight(got, "\x00"), bytes.TrimRight(b, "\x00")) {
			t.Errorf("%s was changed", name)
		}
		if len(got) >= len(b) {
			t.Errorf("%s has %d bytes, and had %d with the zeros at its end", name, len(got), len(b))
		}
	}
}
