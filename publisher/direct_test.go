package publisher

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// TestPublishEvent: what a client publishes is what a bridge does, to the byte,
// but for what the bridge tells the server.
func TestPublishEvent(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	p := open(t, o)
	c := openClient(t, o, "")

	events := []schema.Event{}
	for i, k := range schema.Kinds() {
		events = append(events, schematest.Event(k, schematest.Seed(uint64(i)), schematest.TestRun("run")))
	}
	for _, e := range events {
		if duplicate, err := c.PublishEvent(t.Context(), e); err != nil || duplicate {
			t.Fatalf("%s: duplicate %v, %v", e.Kind, duplicate, err)
		}
		if duplicate, err := c.PublishEvent(t.Context(), e); err != nil || !duplicate {
			t.Errorf("%s again: duplicate %v, %v", e.Kind, duplicate, err)
		}
	}
	direct := natstest.Messages(t, n.js, o.Config.Stream)
	if err := c.JetStream().DeleteStream(t.Context(), o.Config.Stream); err != nil {
		t.Fatal(err)
	}
	if _, err := c.JetStream().CreateStream(t.Context(), eventStream(o.Config).create()); err != nil {
		t.Fatal(err)
	}
	if err := p.Accept(t.Context(), delivery.Delivery{Events: events}); err != nil {
		t.Fatal(err)
	}
	bridged := natstest.Messages(t, n.js, o.Config.Stream)
	if len(direct) != len(events) || len(bridged) != len(events) {
		t.Fatalf("got %d and %d messages, want %d", len(direct), len(bridged), len(events))
	}
	for i, m := range bridged {
		d := direct[i]
		for name := range m.Header {
			if strings.HasPrefix(name, "Nats-") && name != schema.HeaderMsgID {
				m.Header.Del(name)
				d.Header.Del(name)
			}
		}
		if d.Subject != m.Subject || !bytes.Equal(d.Data, m.Data) || !maps.EqualFunc(d.Header, m.Header, slices.Equal[[]string]) {
			t.Errorf("got %s %v %s\nwant %s %v %s", d.Subject, d.Header, d.Data, m.Subject, m.Header, m.Data)
		}
	}
}

func TestPublishEventNeedsTheStream(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	event := schematest.Event(schema.KindMessageRead)
	check := func(o Options, want string) {
		t.Helper()
		_, err := openClient(t, o, "").PublishEvent(t.Context(), event)
		if !errors.Is(err, ErrNoStream) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ErrNoStream and %q", err, want)
		}
	}
	check(o, "nats stream add "+o.Config.Stream)
	open(t, o)
	o.Config.Stream = "OTHER"
	check(o, "stream TREBLE, which is not OTHER, takes treble.message.read")
}

func TestPublishEventTooLarge(t *testing.T) {
	n := startNATS(t)
	o := options(t, n.url)
	open(t, o)
	c := openClient(t, o, "")
	e := schematest.Event(schema.KindMessageRead)
	e.Data.Base().Raw = []byte(`{"a":"` + strings.Repeat("a", int(c.Conn().MaxPayload())) + `"}`)
	_, err := c.PublishEvent(t.Context(), e)
	var tooLarge *delivery.TooLargeError
	if !errors.As(err, &tooLarge) || tooLarge.Limit != c.Conn().MaxPayload() {
		t.Errorf("got %v, want a TooLargeError", err)
	}
}
