package batcher

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// lowered starts a server that takes less than it says: the client learned the limit before.
func lowered(t *testing.T) (*natstest.Server, *broker.Stream) {
	t.Helper()
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 1 << 20 })
	cfg := testConfig()
	cfg.AllowAtomicPublish = true
	n.Stream(t, cfg)
	s := dialTest(t, n.URL, 5*time.Second)
	o := n.Options.Clone()
	o.MaxPayload = 65536
	if err := n.ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	return n, s
}

func large(id string) []broker.Message {
	m := messages(id)
	m[0].Data = make([]byte, 100_000)
	return m
}

// TestBatcherBesideOneThatIsTooLarge: what waits beside a message that ends the connection, and
// what comes behind it, is stored on the next one; the message is refused for its size.
func TestBatcherBesideOneThatIsTooLarge(t *testing.T) {
	n, s := lowered(t)
	b := newBatcher(t, s)
	b.choice.way = inBatch
	out := together(t, b, messages("a"), large("large"), messages("b", "c"), slices.Concat(messages("d"), large("larger")), messages("e"))
	for i, want := range []broker.Status{broker.Stored, broker.RefusedSize, broker.Stored, broker.Refused, broker.Stored} {
		if out[i].Status != want && (want != broker.Refused || out[i].Status != broker.RefusedSize) {
			t.Errorf("request %d: %v (%v), want %v", i, out[i].Status, out[i].Err, want)
		}
	}
	if o := b.Publish(t.Context(), messages("f")); o.Status != broker.Stored {
		t.Errorf("afterwards: %v", o.Err)
	}
	if got := s.Limit(); got != 65536 {
		t.Errorf("limit %d", got)
	}
	natstest.Eventually(t, "the test is connected", n.NC.IsConnected)
	if got := n.IDs(t, "TEST"); !slices.Equal(got, []string{"a", "b", "c", "e", "f"}) {
		t.Errorf("stream: %v", got)
	}
}
