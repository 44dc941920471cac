package journal_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

const page = 4096

// readAll returns the payloads that Try delivers, and where it ends.
func readAll(t testing.TB, j *journal.Journal) (got []journal.Seq, end journal.Seq) {
	t.Helper()
	r := j.NewReader(1)
	defer r.Close()
	for {
		rec, ok, err := r.Try()
		if err != nil {
			t.Fatalf("Try: %v", err)
		}
		if !ok {
			return got, r.Pos()
		}
		if string(rec.Payload) != payload(rec.Seq) {
			t.Errorf("entry %d has the payload %q", rec.Seq, rec.Payload)
		}
		got = append(got, rec.Seq)
	}
}

// Each page of each segment in turn cannot be read: the start works, all that is in
// other pages is delivered, the rest is reported, and the journal goes on.
func TestEveryPageUnreadable(t *testing.T) {
	const n = 400
	files := someLog(t, n, 12_000)
	all := names(files)
	pages := 0
	for _, name := range all {
		last := name == all[len(all)-1]
		for off := 0; off < len(files[name]); off += page {
			pages++
			fs := journaltest.From(files)
			fs.Hook = journaltest.Unreadable(name, int64(off), page)
			tail := last && off+page >= len(files[name])
			what := fmt.Sprintf("%s at %d", filepath.Base(name), off)
			for round := range 2 {
				var seen []journal.Seq
				see := func(r journal.Record) error {
					if r.Type == journal.Entry {
						seen = append(seen, r.Seq)
					}
					return nil
				}
				if rep, err := journal.Scan(dir, fs, nil); err != nil || len(rep.Damage) != 1 || rep.Damage[0].Unreadable == 0 {
					t.Errorf("%s: Scan: %+v, %v", what, rep, err)
				}
				j := open(t, journal.Options{FS: fs}, see)
				got, end := readAll(t, j)
				if fmt.Sprint(got) != fmt.Sprint(seen) {
					t.Errorf("%s: a reader gets other entries than Open", what)
				}
				d := j.Damage()
				if len(d) != 1 || d[0].Unreadable != min(page, int64(len(files[name])-off)) || d[0].MovedTo == "" || d[0].Known != (round > 0) {
					t.Fatalf("%s, round %d: damage %+v", what, round, d)
				}
				if st := j.Stats(); st.Unreadable != d[0].Unreadable || end != st.Last+1 {
					t.Errorf("%s: %+v, reader at %d", what, st, end)
				}
				lost := 0
				if d[0].FirstLost > 0 {
					lost = int(d[0].LastLost-d[0].FirstLost) + 1
				}
				if len(got)+lost != n+round && !tail {
					t.Errorf("%s: %d delivered, %d lost", what, len(got), lost)
				}
				want := bytes.Clone(files[name][d[0].Offset : d[0].Offset+d[0].Length])
				clear(want[int64(off)-d[0].Offset:][:d[0].Unreadable])
				if b := fs.Files()[d[0].MovedTo]; !bytes.Equal(b, want) {
					t.Errorf("%s: what was moved aside is not what could be read, and zeros", what)
				}
				if round == 0 {
					mustAppend(t, j, payload(j.Stats().Last+1))
				}
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d pages", pages)
}

// A whole small segment in one page, the newest: its entries cannot be known, so it is
// told, and not taken for a file that was never finished.
func TestNewestSegmentUnreadable(t *testing.T) {
	files := someLog(t, 9, 250)
	all := names(files)
	fs := journaltest.From(files)
	fs.Hook = journaltest.Unreadable(all[len(all)-1], 0, page)
	j := open(t, journal.Options{FS: fs}, nil)
	d := j.Damage()
	if len(d) != 1 || d[0].Unreadable != d[0].Length || d[0].MovedTo == "" {
		t.Errorf("damage %+v", d)
	}
	if fs.Files()[all[len(all)-1]] == nil {
		t.Error("the segment was removed")
	}
	seq := mustAppend(t, j, "next")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := contents(t, fs.Files()); got[len(got)-1] != "next" {
		t.Errorf("got %q", got)
	}
	if seq < 8 {
		t.Errorf("the next entry is %d", seq)
	}
}

// Damage that comes while the journal is open is stepped over by Next and Try, up to
// the last entry.
func TestReaderStepsOverUnreadable(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	for i := 1; i <= 3; i++ {
		mustAppend(t, j, payload(journal.Seq(i)))
	}
	fs.SetHook(journaltest.Unreadable(names(fs.Files())[0], 0, page))
	r := j.NewReader(1)
	defer r.Close()
	if rec, ok, err := r.Try(); ok || err != nil || r.Pos() != 4 {
		t.Errorf("Try: %d, %v, %v, at %d; want nothing, at 4", rec.Seq, ok, err, r.Pos())
	}
	eventually(t, "it is moved aside", func() bool {
		d := j.Damage()
		return len(d) == 1 && d[0].FirstLost == 1 && d[0].LastLost == 3 && d[0].MovedTo != ""
	})
	fs.SetHook(nil)
	mustAppend(t, j, payload(4))
	if rec, err := r.Next(t.Context()); err != nil || rec.Seq != 4 {
		t.Errorf("Next: %d, %v", rec.Seq, err)
	}
}

// A copy of damage that was made when more could be read is kept.
func TestBetterCopyIsKept(t *testing.T) {
	files := someLog(t, 9, 1<<20)
	name := names(files)[0]
	files[name][bytes.Index(files[name], []byte("payload-4"))] ^= 1
	fs := journaltest.From(files)
	j := open(t, journal.Options{FS: fs}, nil)
	copied := j.Damage()[0].MovedTo
	before := fs.Files()[copied]
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	fs.SetHook(journaltest.Unreadable(name, 0, page))
	open(t, journal.Options{FS: fs}, nil)
	if !bytes.Equal(fs.Files()[copied], before) {
		t.Error("the copy was replaced")
	}
}

// Two errors in a row are still no damage if the third try of a page works.
func TestTransientError(t *testing.T) {
	files := someLog(t, 9, 1<<20)
	fs := journaltest.From(files)
	fs.Hook = failRun(0, 2, syscall.EIO, journaltest.Is(".seg", journaltest.Read))
	if j := open(t, journal.Options{FS: fs}, nil); len(j.Damage()) > 0 || j.Stats().Last != 9 {
		t.Errorf("%+v, %+v", j.Damage(), j.Stats())
	}
}
