package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// TestReadWhileRunning inspects the journal of an outbox that appends, publishes, removes
// segments and forgets at the same time.
func TestReadWhileRunning(t *testing.T) {
	model := streammodel.New(time.Now, streammodel.Config{Subjects: []string{"treble.>"}, Batches: true, Duplicates: time.Minute})
	dir := t.TempDir()
	o := testOptions(dir)
	o.MaxBytes, o.Verify = 400_000, 20*time.Millisecond
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Start(model.Dial())
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var work sync.WaitGroup
	var accepted atomic.Int64
	for c := range 4 {
		work.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				switch err := b.Append(context.Background(), []broker.Message{message("treble.a", fmt.Sprintf("c%d-%06d", c, i))}); {
				case err == nil:
					accepted.Add(1)
				case !errors.Is(err, journal.ErrFull):
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for seq := uint64(1); ctx.Err() == nil; seq += 50 {
			if err := b.Forget(context.Background(), []uint64{seq, seq + 7}); err != nil {
				t.Error(err)
			}
		}
	})
	for n := 0; ctx.Err() == nil; n++ {
		s, err := ledger.Inspect(context.Background(), dir, nil)
		if err != nil {
			t.Fatalf("look %d: %v", n, err)
		}
		if !s.Sound() {
			t.Fatalf("look %d: %+v", n, s)
		}
		if err := ledger.Each(context.Background(), dir, nil, func(k ledger.JournaledMessage) error {
			if k.ID == "" {
				return fmt.Errorf("entry %d cannot be read", k.Entry)
			}
			return nil
		}); err != nil {
			t.Fatalf("look %d: %v", n, err)
		}
	}
	work.Wait()
	drained, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Drain(drained); err != nil {
		t.Fatal(err)
	}
	if a := b.Account(); a.Unaccounted != 0 || a.Pending != 0 || a.Accepted != accepted.Load() || a.Stored != accepted.Load() {
		t.Errorf("account %+v of %d", a, accepted.Load())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := ledger.Inspect(t.Context(), dir, nil)
	if err != nil || !s.Sound() || s.Accepted != accepted.Load() {
		t.Errorf("%+v, %v, want %d accepted", s, err, accepted.Load())
	}
	if got := len(model.Messages()); int64(got) != accepted.Load() {
		t.Errorf("%d messages in the stream, %d accepted", got, accepted.Load())
	}
}
