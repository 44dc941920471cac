package journal_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// noted returns a callback that writes down every record, and what it wrote.
func noted() (func(journal.Record) error, *[]string) {
	var seen []string
	return func(r journal.Record) error {
		seen = append(seen, fmt.Sprintf("%d %d %x", r.Type, r.Seq, r.Payload))
		return nil
	}, &seen
}

// compareScan holds Scan against Open on the same files.
func compareScan(files map[string][]byte) error {
	fs := journaltest.From(files)
	see, scanned := noted()
	report, err := journal.Scan(dir, fs, see)
	if !maps.EqualFunc(fs.Files(), files, slices.Equal) {
		return errors.New("Scan changed the files")
	}
	see, opened := noted()
	j, openErr := journal.Open(dir, journal.Options{FS: fs}, see)
	if (err == nil) != (openErr == nil) {
		return fmt.Errorf("Scan: %v; Open: %v", err, openErr)
	}
	if err != nil {
		return nil
	}
	defer func() { _ = j.Close() }()
	if !slices.Equal(*scanned, *opened) {
		return fmt.Errorf("Scan read %q, Open %q", *scanned, *opened)
	}
	if st := j.Stats(); report.First != st.First || report.Last != st.Last {
		return fmt.Errorf("Scan: %+v, Open: %+v", report, st)
	}
	want := j.Damage()
	for i := range want {
		if d := want[i]; report.Damage[i].MovedTo != "" {
			return fmt.Errorf("a copy that Open is yet to make: %+v", d)
		}
		want[i].MovedTo = ""
	}
	if !reflect.DeepEqual(report.Damage, want) {
		return fmt.Errorf("Scan found the damage %+v, Open %+v", report.Damage, want)
	}
	// Now that it was moved aside, it is known to both.
	if err := j.Close(); err != nil {
		return err
	}
	if report, err = journal.Scan(dir, fs, nil); err != nil {
		return err
	}
	if j, err = journal.Open(dir, journal.Options{FS: fs}, nil); err != nil {
		return err
	}
	defer j.Close()
	for i, d := range j.Damage() {
		if got := report.Damage[i]; got.Known != d.Known || d.Known && got.MovedTo != d.MovedTo {
			return fmt.Errorf("opened again: Scan found %+v, Open %+v", got, d)
		}
	}
	return nil
}

func TestScanSeesWhatOpenSees(t *testing.T) {
	files := someLog(t, 9, 250)
	if err := compareScan(files); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		for i := range b {
			broken := clone(files)
			broken[name][i] ^= 0xff
			if err := compareScan(broken); err != nil {
				t.Fatalf("byte %d of %s: %v", i, name, err)
			}
			broken = clone(files)
			broken[name] = broken[name][:i]
			if err := compareScan(broken); err != nil {
				t.Fatalf("%s cut to %d: %v", name, i, err)
			}
		}
		broken := clone(files)
		delete(broken, name)
		if err := compareScan(broken); err != nil {
			t.Fatalf("without %s: %v", name, err)
		}
	}
}

func TestScanReport(t *testing.T) {
	files := someLog(t, 9, 250)
	var bytes int64
	for _, b := range files {
		bytes += int64(len(b))
	}
	last := names(files)[len(files)-1]
	files[last] = append(files[last], "torn"...)
	report, err := journal.Scan(dir, journaltest.From(files), nil)
	want := journal.Report{Segments: len(files), Bytes: bytes + 4, First: 1, Last: 9, Torn: 4, Damage: []journal.Damage{}}
	if err != nil || !reflect.DeepEqual(report, want) {
		t.Errorf("got %+v, %v; want %+v", report, err, want)
	}
	boom := errors.New("boom")
	if _, err := journal.Scan(dir, journaltest.From(files), func(journal.Record) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want the error of the callback", err)
	}
	if _, err := journal.Scan(filepath.Join(t.TempDir(), "none"), nil, nil); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no directory: got %v, want an error that names it", err)
	}
}

// listing is a directory that changes behind the first look at it.
type listing struct {
	*journaltest.FS
	first func(names []string) []string // what the first look shows; it may change the files
}

func (l *listing) ReadDir(dir string) ([]string, error) {
	names, err := l.FS.ReadDir(dir)
	if l.first != nil && err == nil {
		slices.Sort(names)
		names = l.first(names)
		l.first = nil
	}
	return names, err
}

// A segment that is removed, or begun, between the listing and the reading.
func TestScanListsAgain(t *testing.T) {
	files := someLog(t, 9, 250)
	entries := func(l *listing) (n int, r journal.Report) {
		t.Helper()
		r, err := journal.Scan(dir, l, func(r journal.Record) error {
			if r.Type == journal.Entry {
				n++
			}
			return nil
		})
		if err != nil || len(r.Damage) > 0 {
			t.Fatalf("got %+v, %v", r, err)
		}
		return n, r
	}
	l := &listing{FS: journaltest.From(files)}
	l.first = func(names []string) []string {
		if err := l.Remove(filepath.Join(dir, names[0])); err != nil {
			t.Error(err)
		}
		return names
	}
	if n, r := entries(l); r.Segments != len(files)-1 || r.First == 1 || n != 10-int(r.First) {
		t.Errorf("removed: %d entries, %+v", n, r)
	}
	l = &listing{FS: journaltest.From(files), first: func(names []string) []string { return names[:len(names)-1] }}
	if n, r := entries(l); r.Segments != len(files) || n != 9 {
		t.Errorf("begun: %d entries, %+v", n, r)
	}
	// A directory in which no look finds what the listing shows.
	fs := journaltest.From(files)
	fs.Hook = journaltest.FailNth(0, true, syscall.ENOENT, journaltest.Is(".seg", journaltest.Open))
	if _, err := journal.Scan(dir, fs, nil); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("got %v, want an end to the tries", err)
	}
}

// On the real file system, while the journal is written, rolled over and
// reclaimed: never damage, never a gap, and everything that was acknowledged
// before and not released after.
func TestScanBesideWriters(t *testing.T) {
	where := t.TempDir()
	j, err := journal.Open(where, journal.Options{SegmentBytes: 200_000, Checkpoint: func() []byte { return nil }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	var newest atomic.Uint64
	for range 8 {
		writers.Go(func() {
			for {
				seq, err := j.Append(context.Background(), []byte(strings.Repeat("x", 900)))
				if err != nil {
					t.Error(err)
					return
				}
				j.Mark(number(seq))
				newest.Store(uint64(seq))
				if seq > 500 {
					j.Release(seq - 500)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	scans, segments := 0, map[journal.Seq]bool{}
	for len(segments) < 5 && !t.Failed() {
		before := journal.Seq(newest.Load())
		next := journal.Seq(0)
		report, err := journal.Scan(where, nil, func(r journal.Record) error {
			if r.Type != journal.Entry {
				return nil
			}
			if next > 0 && r.Seq != next {
				t.Errorf("entry %d after %d", r.Seq, next-1)
			}
			next = r.Seq + 1
			return nil
		})
		if err != nil || len(report.Damage) > 0 || report.Last < before {
			t.Errorf("scan %d: %+v, %v; entry %d was kept before", scans, report, err, before)
		}
		segments[report.First] = true
		scans++
	}
	close(stop)
	writers.Wait()
	t.Logf("%d scans, %d first segments", scans, len(segments))
}
