package outbox

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// slowStream answers a batch of the largest size when a channel is closed.
type slowStream struct {
	*streammodel.Client
	answer <-chan struct{}
	missed atomic.Bool // the time was up before
}

func (s *slowStream) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	if len(msgs) == batchMessages {
		select {
		case <-s.answer:
		case <-time.After(10 * time.Second):
			s.missed.Store(true)
		}
	}
	return s.Client.Publish(ctx, msgs)
}

// TestReadsAhead answers the first batch of a backlog when the first message behind it was read.
func TestReadsAhead(t *testing.T) {
	model := streammodel.New(time.Now, streammodel.Config{Subjects: []string{"treble.>"}, Batches: true, Duplicates: time.Minute})
	all := natstest.Numbered("a", 2*batchMessages+10)
	read := make(chan struct{})
	o := testOptions(t.TempDir())
	o.Subject = func(m broker.Message) string {
		if m.ID == all[batchMessages] {
			close(read)
		}
		return m.Subject
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, id := range all {
		if err := b.Append(t.Context(), []broker.Message{message("treble.a", id)}); err != nil {
			t.Fatal(err)
		}
	}
	s := &slowStream{Client: model.Dial(), answer: read}
	b.Start(s)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if s.missed.Load() {
		t.Error("nothing was read while a batch was awaited")
	}
	for i, m := range model.Messages() {
		if m.ID != all[i] {
			t.Fatalf("message %d is %s, want %s", i, m.ID, all[i])
		}
	}
}

// TestTellsWhatReadingAheadMet has an entry that cannot be read behind the first batch.
func TestTellsWhatReadingAheadMet(t *testing.T) {
	b := newBench(t)
	first, then := natstest.Numbered("a", batchMessages), natstest.Numbered("b", 3)
	b.accept(first...)
	if _, err := b.b.journal.Append(t.Context(), []byte("no entry")); err != nil {
		t.Fatal(err)
	}
	b.accept(then...)
	for range 10 {
		if !b.b.step(t.Context()).more {
			break
		}
	}
	if got := b.b.Problem(); !strings.Contains(got, "journal entry 501") {
		t.Errorf("problem %q after %d messages", got, len(b.ids()))
	}
	b.pass(time.Minute)
	b.want(append(first, then...)...)
}
