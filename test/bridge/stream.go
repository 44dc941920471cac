package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamSessions returns the session of each event in the stream, in its order,
// as a consumer sees them.
func StreamSessions(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	var last uint64
	var consumer jetstream.Consumer
	// A cluster that elects a leader just now does not answer.
	Await(t, time.Minute, "the stream can be read", func(ctx context.Context) error {
		stream, err := js.Stream(ctx, "TREBLE")
		if err != nil {
			return err
		}
		if last = stream.CachedInfo().State.LastSeq; last == 0 {
			return nil
		}
		consumer, err = stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		return err
	})
	if last == 0 {
		return nil
	}
	msgs, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer msgs.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sessions []string
	for {
		m, err := msgs.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("read the stream after %d events: %v", len(sessions), err)
		}
		var envelope struct{ Subject string }
		if err := json.Unmarshal(m.Data(), &envelope); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, envelope.Subject)
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		if meta.Sequence.Stream >= last {
			return sessions
		}
	}
}

// Stored returns how many messages a stream has; 0 if there is none.
func Stored(t *testing.T, js jetstream.JetStream, name string) int {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return int(stream.CachedInfo().State.Msgs)
}

// Diff names what is only on one side.
func Diff(got, want []string) string {
	var b strings.Builder
	for _, g := range got {
		if !slices.Contains(want, g) {
			fmt.Fprintf(&b, "got %.200q, not wanted\n", g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			fmt.Fprintf(&b, "want %.200q, not got\n", w)
		}
	}
	fmt.Fprintf(&b, "got %d, want %d", len(got), len(want))
	return b.String()
}
