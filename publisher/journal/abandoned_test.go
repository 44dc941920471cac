package journal_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
)

// TestAbandonedBeforeItsBatch: a segment of which a flush failed while room was made, and that has no successor, takes no
// entry, though the next flush would succeed: what is written there may be void after a crash.
func TestAbandonedBeforeItsBatch(t *testing.T) {
	fs := journaltest.New()
	var j *journal.Journal
	var armed, failed atomic.Bool
	var last atomic.Uint64
	j = open(t, journal.Options{
		FS: fs, MaxBytes: 16_000, SegmentBytes: 4000,
		Yield: func() journal.Seq {
			if armed.Load() {
				j.Mark([]byte("what came meanwhile"))
			}
			return journal.Seq(last.Load())
		},
	}, nil)
	var created string
	syncs := 0
	fs.SetHook(func(op journaltest.Op) *journaltest.Fault {
		switch {
		case !armed.Load():
		case op.Kind == journaltest.Create && created == "":
			created = op.Name
		case op.Kind == journaltest.Create:
			return &journaltest.Fault{Err: syscall.EIO}
		case op.Kind == journaltest.Sync && op.Name == created:
			if syncs++; syncs == 2 { // the first one is of the header
				failed.Store(true)
				return &journaltest.Fault{Err: syscall.EIO}
			}
		}
		return nil
	})
	payload := []byte(strings.Repeat("x", 1000))
	for range 50 {
		if stats := j.Stats(); stats.Bytes > 11_000 {
			last.Store(uint64(stats.Last))
			armed.Store(true)
		}
		_, err := j.Append(t.Context(), payload)
		if failed.Load() {
			if !errors.Is(err, journal.ErrVoid) {
				t.Errorf("an entry in a segment that was abandoned: %v, want ErrVoid", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("no flush failed")
}
