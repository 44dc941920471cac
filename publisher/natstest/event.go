package natstest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Event returns an event of session-1 that was read, with an id, and raw as its raw value.
func Event(id, raw string) schema.Event {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	return schema.Event{
		ID: id, Source: "default", Kind: schema.KindMessageRead, Subject: "session-1",
		Time: now, ReceivedTime: now, DedupeKey: schema.DedupeContent,
		Data: &schema.MessageRead{Common: schema.Common{SessionID: "session-1", Raw: json.RawMessage(raw)}},
	}
}

// Events returns events with the ids.
func Events(ids ...string) (events []schema.Event) {
	for _, id := range ids {
		events = append(events, Event(id, `{"id":"`+id+`"}`))
	}
	return events
}

// Padded returns an event of which the raw value has n bytes of text.
func Padded(id string, n int) schema.Event {
	return Event(id, `"`+strings.Repeat("x", n)+`"`)
}

// Delivery returns the delivery of events that the ingress accepted.
func Delivery(events ...schema.Event) delivery.Delivery {
	return delivery.Delivery{Events: events}
}

// Store makes the stream TREBLE, if it is missing, and stores events in it as a bridge that is
// not configured would.
func (s *Server) Store(t testing.TB, events ...schema.Event) {
	t.Helper()
	if _, err := s.JS.Stream(t.Context(), "TREBLE"); err != nil {
		s.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{schema.DefaultPrefix.All()}, AllowDirect: true})
	}
	var acks []jetstream.PubAckFuture
	for _, e := range events {
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		ack, err := s.JS.PublishMsgAsync(&nats.Msg{Subject: schema.DefaultPrefix.Subject(e.Kind), Header: e.Header(), Data: data}, jetstream.WithStallWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack)
	}
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			t.Fatal(err)
		}
	}
}

// Rejected returns a delivery that the ingress refused, with a header that may not be kept.
func Rejected(body string) delivery.Delivery {
	return delivery.Delivery{
		Origin: delivery.Origin{
			Source: "default", Path: "/webhook", Received: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
			Header: map[string][]string{"User-Agent": {"treble"}, "Authorization": {"Bearer s3cret"}},
		},
		Body: []byte(body),
		Rejection: &delivery.Rejection{
			Reason:     schema.ReasonNotJSON,
			Violations: []delivery.Violation{{Problem: "not JSON: unexpected end"}},
		},
	}
}

// DocumentedHeaders returns the headers of a set in the AsyncAPI document, by name, and those of them
// that every message has.
func DocumentedHeaders(t testing.TB, set string) (all map[string]any, required []string) {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(schema.AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.Components.Schemas[set]
	if len(s.Properties) == 0 {
		t.Fatalf("the document has no %s", set)
	}
	return s.Properties, s.Required
}
