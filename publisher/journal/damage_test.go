package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// log makes a cleanly closed journal of n entries in several segments.
func someLog(t testing.TB, n int, segment int64) map[string][]byte {
	t.Helper()
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs, SegmentBytes: segment, Checkpoint: func() []byte { return number(0) }}, nil)
	for i := 1; i <= n; i++ {
		mustAppend(t, j, payload(journal.Seq(i)))
		j.Mark(number(journal.Seq(i)))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return segments(fs.Files())
}

func payload(s journal.Seq) string { return fmt.Sprintf("payload-%d", s) }

// names returns the segments among the files, oldest first.
func names(files map[string][]byte) (segments []string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".seg") {
			segments = append(segments, name)
		}
	}
	return segments
}

// segments returns a copy of the files without those that are none.
func segments(files map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for _, name := range names(files) {
		c[name] = slices.Clone(files[name])
	}
	return c
}

func clone(files map[string][]byte) map[string][]byte {
	c := map[string][]byte{}
	for name, b := range files {
		c[name] = slices.Clone(b)
	}
	return c
}

// verify opens files of which something is damaged: every entry of n is delivered
// as it was or reported as lost, by Open and by a reader, and damage is kept aside.
func verify(files map[string][]byte, n int) ([]journal.Damage, error) {
	fs := journaltest.From(files)
	var got []journal.Seq
	wrong := error(nil)
	see := func(r journal.Record) error {
		if r.Type == journal.Entry {
			got = append(got, r.Seq)
			if string(r.Payload) != payload(r.Seq) {
				wrong = fmt.Errorf("entry %d has the payload %q", r.Seq, r.Payload)
			}
		}
		return nil
	}
	j, err := journal.Open(dir, journal.Options{FS: fs}, see)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	r := j.NewReader(1)
	defer r.Close()
	for _, want := range got {
		rec, err := r.Next(context.Background())
		if err != nil || rec.Seq != want || string(rec.Payload) != payload(want) {
			return nil, fmt.Errorf("reader: %d, %q, %v; want %d", rec.Seq, rec.Payload, err, want)
		}
	}
	lost := map[journal.Seq]bool{}
	for _, d := range j.Damage() {
		for s := d.FirstLost; s <= d.LastLost && s > 0; s++ {
			lost[s] = true
		}
		if d.Length > 0 && d.MovedTo == "" {
			return nil, fmt.Errorf("not moved aside: %+v", d)
		}
		if b := fs.Files()[d.MovedTo]; d.Length > 0 && !strings.Contains(string(files[filepath.Join(dir, d.Segment)]), string(b)) {
			return nil, fmt.Errorf("what was moved aside is not what was there: %+v", d)
		}
	}
	for i, s := range got {
		if lost[s] || i > 0 && s <= got[i-1] {
			return nil, fmt.Errorf("entry %d is reported lost, or out of order, and was delivered", s)
		}
	}
	if len(got)+len(lost) != n {
		return nil, fmt.Errorf("%d delivered, %d lost, want %d together", len(got), len(lost), n)
	}
	return j.Damage(), wrong
}

func TestFlipEveryBit(t *testing.T) {
	const n = 9
	files := someLog(t, n, 250)
	if len(files) < 3 {
		t.Fatalf("%d segments, want several", len(files))
	}
	flips, found := 0, 0
	last := names(files)[len(files)-1]
	for name, b := range files {
		for i := range b {
			for _, mask := range []byte{1, 0x80, 0xff} {
				broken := clone(files)
				broken[name][i] ^= mask
				flips++
				d, err := verify(broken, n)
				if err != nil {
					t.Fatalf("byte %d of %s, mask %x: %v", i, name, mask, err)
				}
				if len(d) > 0 {
					found++
				} else if name != last || i < len(b)-36 {
					t.Fatalf("byte %d of %s, mask %x: no damage is reported", i, name, mask)
				}
			}
		}
	}
	t.Logf("%d flips, %d reported", flips, found)
}

func TestDamageIsReportedOnce(t *testing.T) {
	files := someLog(t, 9, 250)
	name := names(files)[1]
	i := strings.Index(string(files[name]), "payload-")
	files[name][i] ^= 1
	fs := journaltest.From(files)
	for round := range 2 {
		j, err := journal.Open(dir, journal.Options{FS: fs}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := j.Damage()
		j.Close()
		if len(d) != 1 || d[0].Known != (round == 1) || d[0].FirstLost == 0 || d[0].FirstLost != d[0].LastLost {
			t.Errorf("opened %d times: got %+v", round+1, d)
		}
	}
}

// Damage that comes while the journal is open is found by the reader.
func TestReaderFindsDamage(t *testing.T) {
	files := someLog(t, 9, 1<<20)
	fs := journaltest.From(files)
	j := open(t, journal.Options{FS: fs}, nil)
	name := names(files)[0]
	f, err := fs.OpenFile(name, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(strings.Index(string(files[name]), "payload-4"))
	if _, err := f.WriteAt([]byte("P"), at); err != nil {
		t.Fatal(err)
	}
	r := j.NewReader(3)
	defer r.Close()
	for _, want := range []journal.Seq{3, 5} {
		if rec, err := r.Next(t.Context()); err != nil || rec.Seq != want {
			t.Fatalf("got %d, %v, want %d", rec.Seq, err, want)
		}
	}
	eventually(t, "it is moved aside", func() bool {
		d := j.Damage()
		return len(d) == 1 && d[0].FirstLost == 4 && d[0].LastLost == 4 && d[0].MovedTo != ""
	})
}

func TestMissingAndShortFiles(t *testing.T) {
	files := someLog(t, 12, 250)
	all := names(files)
	for i, name := range all {
		if i > 0 && i < len(all)-1 {
			broken := clone(files)
			delete(broken, name)
			if d, err := verify(broken, 12); err != nil || len(d) != 1 {
				t.Errorf("segment %d missing: %v, %v", i, d, err)
			}
		}
		for size := range files[name] {
			if i == len(all)-1 {
				break // a short newest file is what a crash leaves
			}
			broken := clone(files)
			broken[name] = broken[name][:size]
			if _, err := verify(broken, 12); err != nil {
				t.Errorf("segment %d cut to %d: %v", i, size, err)
			}
		}
	}
}

// What a crash may leave of the newest file is silent, whatever it is.
func TestTornTailIsSilent(t *testing.T) {
	files := someLog(t, 9, 250)
	name := names(files)[len(files)-1]
	var tails [][]byte
	for _, n := range []int{1, 35, 36, 512, 5000} {
		tails = append(tails, make([]byte, n), []byte(strings.Repeat("TBJ\x01", n)), []byte(strings.Repeat("\xff", n)))
	}
	for _, tail := range tails {
		longer := clone(files)
		longer[name] = append(longer[name], tail...)
		if d, err := verify(longer, 9); err != nil || len(d) > 0 {
			t.Errorf("tail of %d bytes: %v, %v", len(tail), d, err)
		}
		// And as a whole new file: a crash during a roll-over.
		newer := clone(files)
		newer[filepath.Join(dir, "00000000000000000010-9999999999-00000000.seg")] = tail
		if d, err := verify(newer, 9); err != nil || len(d) > 0 {
			t.Errorf("new file of %d bytes: %v, %v", len(tail), d, err)
		}
	}
}

// Nothing that a payload holds is taken for a frame behind damage.
func TestFrameInsidePayload(t *testing.T) {
	fs := journaltest.New()
	j := open(t, journal.Options{FS: fs}, nil)
	mustAppend(t, j, "x")
	// A frame of another journal, as one would send it to deceive.
	other := journaltest.New()
	k := open(t, journal.Options{FS: other}, nil)
	for range 5 {
		mustAppend(t, k, "deceit")
	}
	mustAppend(t, j, "y"+string(other.Files()[names(other.Files())[0]]))
	mustAppend(t, j, "z")
	j.Mark(nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	files := fs.Files()
	b := files[names(files)[0]]
	b[strings.Index(string(b), "yTBJ")] ^= 1
	got, d := contents(t, files)
	if !equal(got, []string{"x", "z"}) || len(d) != 1 || d[0].FirstLost != 2 || d[0].LastLost != 2 {
		t.Errorf("got %q, %+v; want x, z and 2 lost", got, d)
	}
}

func TestUnknownVersionIsRefused(t *testing.T) {
	files := someLog(t, 9, 250)
	for i, name := range names(files) {
		newer := clone(files)
		b := newer[name]
		b[3] = 3
		var salt uint32
		if _, err := fmt.Sscanf(name[len(name)-12:], "%x.seg", &salt); err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(b[28:], crc32.Update(salt, crc32.MakeTable(crc32.Castagnoli), b[:28]))
		fs := journaltest.From(newer)
		_, err := journal.Open(dir, journal.Options{FS: fs}, nil)
		if err == nil || !strings.Contains(err.Error(), filepath.Base(name)) || !strings.Contains(err.Error(), "format 3") {
			t.Errorf("segment %d: got %v, want an error that names it and its format", i, err)
		}
		if !maps.EqualFunc(segments(fs.Files()), newer, slices.Equal) {
			t.Errorf("segment %d: files were changed", i)
		}
	}
}

// An error that is gone at the next try is no damage. One that every read has, is
// told, and the same entry is read again.
func TestReadErrors(t *testing.T) {
	files := someLog(t, 9, 250)
	boom := errors.New("boom")
	for n := range 12 {
		fs := journaltest.From(files)
		fs.Hook = journaltest.FailNth(n, false, boom, journaltest.Is(".seg", journaltest.Read))
		got := 0
		j := open(t, journal.Options{FS: fs}, func(journal.Record) error { got++; return nil })
		if d := j.Damage(); len(d) > 0 || got < 9 {
			t.Errorf("read %d fails once: %d records, damage %+v", n, got, d)
		}
	}
	fs := journaltest.From(files)
	j := open(t, journal.Options{FS: fs}, nil)
	r := j.NewReader(1)
	defer r.Close()
	for name, hook := range map[string]func(journaltest.Op) *journaltest.Fault{
		"open":   journaltest.FailNth(0, true, boom, journaltest.Is(".seg", journaltest.Open)),
		"closed": journaltest.FailNth(0, true, os.ErrClosed, journaltest.Is(".seg", journaltest.Read)),
		"disk":   journaltest.FailNth(0, true, syscall.EIO, journaltest.Is("", journaltest.Read, journaltest.Write, journaltest.Sync)),
	} {
		fs.SetHook(hook)
		if rec, err := r.Next(t.Context()); err == nil {
			t.Errorf("%s: got entry %d, want the cause", name, rec.Seq)
		}
		fs.SetHook(nil)
		_ = r.Close()
	}
	if rec, err := r.Next(t.Context()); err != nil || rec.Seq != 1 || len(j.Damage()) > 0 {
		t.Errorf("Next again: %d, %v, %v", rec.Seq, err, j.Damage())
	}
}

func FuzzOpen(f *testing.F) {
	files := someLog(f, 6, 1<<20)
	name := names(files)[0]
	f.Add(files[name], uint16(0), byte(0))
	f.Add(files[name], uint16(100), byte(7))
	f.Add([]byte(strings.Repeat("TBJ\x01", 100)), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, flip byte) {
		if len(b) > 0 {
			b = slices.Clone(b)
			b[int(at)%len(b)] ^= flip
		}
		fs := journaltest.From(map[string][]byte{name: b})
		j, err := journal.Open(dir, journal.Options{FS: fs}, nil)
		if err != nil {
			return
		}
		last := j.Stats().Last
		seq, err := j.Append(t.Context(), []byte("new"))
		if err != nil || seq != last+1 {
			t.Fatalf("Append: %d, %v, want %d", seq, err, last+1)
		}
		r := j.NewReader(seq)
		if rec, err := r.Next(t.Context()); err != nil || string(rec.Payload) != "new" {
			t.Fatalf("Next: %q, %v", rec.Payload, err)
		}
		r.Close()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j, err = journal.Open(dir, journal.Options{FS: fs}, nil); err != nil || j.Stats().Last != seq {
			t.Fatalf("opened again: %v", err)
		}
		j.Close()
	})
}
