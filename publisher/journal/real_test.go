package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// On the real file system: writers, readers, marks and releases at once, then again.
func TestWritersAndReadersOnDisk(t *testing.T) {
	const writers, each = 16, 60
	where := t.TempDir()
	j, err := journal.Open(where, journal.Options{SegmentBytes: 20_000, Checkpoint: func() []byte { return nil }}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want sync.Map
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			before := journal.Seq(0)
			for i := range each {
				p := fmt.Sprintf("%d-%d", w, i)
				seq, err := j.Append(context.Background(), []byte(p+strings.Repeat(".", 100)))
				if err != nil || seq <= before {
					t.Errorf("Append: %d after %d, %v", seq, before, err)
					return
				}
				before = seq
				want.Store(seq, p)
			}
		})
	}
	var passed [3]atomic.Uint64
	for k := range passed {
		wg.Go(func() {
			r := j.NewReader(1)
			defer r.Close()
			for s := journal.Seq(1); s <= writers*each; s++ {
				rec, err := r.Next(context.Background())
				if err != nil || rec.Seq != s {
					t.Errorf("reader %d: %d, %v, want %d", k, rec.Seq, err, s)
					return
				}
				passed[k].Store(uint64(s))
				if k == 0 {
					j.Mark([]byte(strconv.Itoa(int(s))))
					// A reader that is behind must not lose what it has not read.
					j.Release(journal.Seq(min(passed[0].Load(), passed[1].Load(), passed[2].Load())))
				}
			}
		})
	}
	wg.Wait()
	j.Release(writers * each / 2)
	first := j.Stats().First
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err = journal.Open(where, journal.Options{}, func(r journal.Record) error {
		p, _, _ := strings.Cut(string(r.Payload), ".")
		if w, ok := want.Load(r.Seq); r.Type == journal.Entry && (!ok || w != p) {
			t.Errorf("entry %d is %q, want %q", r.Seq, p, w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if st := j.Stats(); st.Last != writers*each || st.First < first || len(j.Damage()) > 0 {
		t.Errorf("opened again: %+v, damage %v", st, j.Damage())
	}
	from := max(j.Stats().First, writers*each-5)
	mustAppend(t, j, "one more, so that there is one")
	r := j.NewReader(from)
	if rec, err := r.Next(t.Context()); err != nil || rec.Seq != from {
		t.Errorf("Next: %d, %v, want %d", rec.Seq, err, from)
	}
	r.Close()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// TestCloseLetsReadersGo closes at the moment in which readers begin to wait.
func TestCloseLetsReadersGo(t *testing.T) {
	const readers = 50
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 20 {
		j := open(t, journal.Options{FS: journaltest.New()}, nil)
		got := make(chan error, readers)
		for range readers {
			go func() {
				r := j.NewReader(1)
				defer r.Close()
				_, err := r.Next(ctx)
				got <- err
			}()
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		for range readers {
			if err := <-got; !errors.Is(err, journal.ErrClosed) {
				t.Fatalf("got %v, want ErrClosed", err)
			}
		}
	}
}

// BenchmarkAppend compares an append with what a lone writer pays who writes the
// same bytes to a file and flushes it. Both run in turns; what one writer loses
// to frames and goroutines, many win by sharing a flush.
func BenchmarkAppend(b *testing.B) {
	const each = 200
	payload := make([]byte, 700)
	for _, writers := range []int{1, 16, 64, 256} {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			j, err := journal.Open(b.TempDir(), journal.Options{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			bare, err := os.Create(filepath.Join(b.TempDir(), "bare"))
			if err != nil {
				b.Fatal(err)
			}
			defer bare.Close()
			var ours, theirs time.Duration
			for b.Loop() {
				start := time.Now()
				var wg sync.WaitGroup
				for range writers {
					wg.Go(func() {
						for range each {
							if _, err := j.Append(context.Background(), payload); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				middle := time.Now()
				for range each {
					if _, err := bare.Write(payload); err != nil {
						b.Fatal(err)
					}
					if err := bare.Sync(); err != nil {
						b.Fatal(err)
					}
				}
				ours, theirs = ours+middle.Sub(start), theirs+time.Since(middle)
			}
			b.ReportMetric(float64(ours)/float64(writers)/float64(theirs), "times-bare-flush")
			st := j.Stats()
			b.ReportMetric(float64(st.Records)/float64(st.Flushes), "records/flush")
		})
	}
}
