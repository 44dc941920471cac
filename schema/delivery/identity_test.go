package delivery_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// TestIDs holds the ids of some bodies. They must never change: a redelivery
// after an upgrade would be taken for another event.
func TestIDs(t *testing.T) {
	tests := []struct {
		name, source, body string
		position           int // of the event whose id is meant
		id                 string
		dedupe             schema.DedupeKey
	}{
		{"read", "default", `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`, 0, "", schema.DedupeContent},
		{"white-space", "default", "\n{ \"session_id\" : \"s\",\t\"read_at\":\"2026-01-01 00:00:00\" }\r\n", 0, "=read", schema.DedupeContent},
		{"byte-order-mark", "default", "\ufeff{\"session_id\":\"s\",\"read_at\":\"2026-01-01 00:00:00\"}", 0, "=read", schema.DedupeContent},
		{"other-order", "default", `{"read_at":"2026-01-01 00:00:00","session_id":"s"}`, 0, "!read", schema.DedupeContent},
		{"other-source", "second", `{"session_id":"s","read_at":"2026-01-01 00:00:00"}`, 0, "!read", schema.DedupeContent},
		{"space-in-string", "default", `{"session_id":"s ","read_at":"2026-01-01 00:00:00"}`, 0, "!read", schema.DedupeContent},
		{"escape-is-not-canonicalised", "default", `{"session_id":"\u0073","read_at":"2026-01-01 00:00:00"}`, 0, "!read", schema.DedupeContent},
		{"in-an-array", "default", `[{"session_id":"s","read_at":"2026-01-01 00:00:00"}]`, 0, "!read", schema.DedupeContent},
		{"second-in-an-array", "default", `[{"session_id":"s","read_at":"2026-01-01 00:00:00"},{"session_id":"s","read_at":"2026-01-01 00:00:00"}]`, 1, "!in-an-array", schema.DedupeContent},
		{"event-id", "default", `{"event_type":"hsm.status","event_id":"e","name":"n"}`, 0, "", schema.DedupeEventID},
		{"time-in-session", "default", `{"event_type":"session.close","session":{"external_id":"s","closed_at":"2026-01-01T00:00:00Z"}}`, 0, "", schema.DedupeContent},
		{"time-of-unknown-field", "default", `{"happened_at":"2026-01-01T00:00:00Z"}`, 0, "", schema.DedupeContent},
		{"no-time", "default", `{"session_id":"s","condition":{},"variable":{}}`, 0, "", schema.DedupeNone},
		{"unreadable-time", "default", `{"session_id":"s","read_at":"now"}`, 0, "", schema.DedupeNone},
		{"time-too-deep", "default", `{"session_id":"s","a":{"read_at":"2026-01-01T00:00:00Z"}}`, 0, "", schema.DedupeNone},
	}
	golden := map[string]string{
		"read":                  "b5smdzheeu5jrmykadoo3x354a",
		"in-an-array":           "feo4zwr4xklxnccjzu23beaazu",
		"event-id":              "4g5h6dutfkgssjgzss6odytyly",
		"time-in-session":       "5akqjrgrc5stt5i7p5peiny2ni",
		"time-of-unknown-field": "pocvii3ctf6sp6lgouscyjb4si",
	}
	ids := map[string]string{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parse := func() schema.Event {
				return delivery.Parser{}.Parse([]byte(tt.body), delivery.Origin{Source: tt.source, Received: received}).Events[tt.position]
			}
			e := parse()
			ids[tt.name] = e.ID
			if len(e.ID) != 26 {
				t.Errorf("id: got %q, want 26 characters", e.ID)
			}
			if e.DedupeKey != tt.dedupe {
				t.Errorf("dedupe key: got %s, want %s", e.DedupeKey, tt.dedupe)
			}
			if again := parse().ID; (again == e.ID) != (tt.dedupe != schema.DedupeNone) {
				t.Errorf("parsed twice: got %s and %s with dedupe key %s", e.ID, again, tt.dedupe)
			}
			if want, ok := golden[tt.name]; ok && e.ID != want {
				t.Errorf("id: got %s, want %s", e.ID, want)
			}
			if tt.id != "" {
				if same := e.ID == ids[tt.id[1:]]; same != (tt.id[0] == '=') {
					t.Errorf("id: got %s, and %s has %s; want %s", e.ID, tt.id[1:], ids[tt.id[1:]], tt.id)
				}
			}
		})
	}
}
