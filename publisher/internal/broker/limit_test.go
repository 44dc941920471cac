package broker

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// lowered starts a server that takes less than it says: the client learned the limit before.
func lowered(t *testing.T) (*natstest.Server, *Stream) {
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

func large(id string) []Message {
	m := messages(id)
	m[0].Data = make([]byte, 100_000)
	return m
}

// TestBatcherBesideOneThatIsTooLarge: what waits beside a message that ends the connection, and
// what comes behind it, is stored on the next one; the message is refused for its size.
func TestBatcherBesideOneThatIsTooLarge(t *testing.T) {
	n, s := lowered(t)
	b := newBatcher(t, s)
	out := together(t, b, messages("a"), large("large"), messages("b", "c"), slices.Concat(messages("d"), large("larger")), messages("e"))
	for i, want := range []Fate{Stored, RefusedSize, Stored, Refused, Stored} {
		if out[i].Fate != want && (want != Refused || out[i].Fate != RefusedSize) {
			t.Errorf("request %d: %v (%v), want %v", i, out[i].Fate, out[i].Err, want)
		}
	}
	if o := b.Publish(t.Context(), messages("f")); o.Fate != Stored {
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

// TestTwoAtOnceWhenOneIsTooLarge: the server does not say whose message ended the connection, so
// that of two nothing is proven.
func TestTwoAtOnceWhenOneIsTooLarge(t *testing.T) {
	var d denials
	first, stop := d.watch(messages("a"))
	_, stopOther := d.watch(messages("b"))
	violation := errors.New("nats: Maximum Payload Violation")
	if !d.exceeded(violation) || len(first) != 0 {
		t.Error("want it noticed, and nobody told")
	}
	stopOther()
	if !d.exceeded(violation) || !errors.Is(<-first, errExceeds) {
		t.Error("want the only one told")
	}
	if stop(); d.exceeded(errors.New("nats: stale connection")) || d.exceeded(nil) {
		t.Error("want nothing else noticed")
	}
}
