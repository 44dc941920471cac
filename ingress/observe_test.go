package ingress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func TestRequestsAreCounted(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.Bearer = []value.Secret{token, token + "-new"}
	b := s.start(t)
	start := b.lastEvent(t)
	if strings.HasSuffix(start, " 0") {
		t.Errorf("last event: got %q, want the time of the start", start)
	}
	test := b.request(t, "/webhook", read)
	test.Header.Set("Treble-Test", "run-1")
	do(t, test)
	if got := b.lastEvent(t); got != start {
		t.Errorf("last event: got %q, want a test run not to count: %q", got, start)
	}

	b.post(t, "/webhook", read)
	b.post(t, "/webhook", "["+read+`,{"x":1}]`)
	b.post(t, "/webhook", "{")
	b.post(t, "/elsewhere", read)
	rotated := b.request(t, "/webhook", read)
	rotated.Header.Set("Authorization", "Bearer "+token+"-new")
	do(t, rotated)
	if got := b.lastEvent(t); got == start {
		t.Errorf("last event: got %q after events, as at the start", got)
	}
	b.wantMetrics(t,
		`treble_bridge_requests_total{kind="message.read",outcome="accepted",source="default"} 3`,
		`treble_bridge_requests_total{kind="several",outcome="accepted",source="default"} 1`,
		`treble_bridge_requests_total{kind="none",outcome="not-json",source="default"} 1`,
		`treble_bridge_requests_total{kind="none",outcome="not-found",source="none"} 1`,
		`treble_bridge_authentications_total{credential="bearer-1",source="default"} 4`,
		`treble_bridge_authentications_total{credential="bearer-2",source="default"} 1`,
		`treble_bridge_accept_seconds_count{source="default"} 4`,
		`treble_bridge_requests_in_flight 0`,
		`treble_bridge_last_event_timestamp_seconds{source="default"} 1`) // a time of this century
}

// TestOneLogLinePerRequest: one line per request, at warn if it was refused.
func TestOneLogLinePerRequest(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		level, outcome, route    string
	}{
		{"accepted", "POST", "/webhook/", read, "debug", "accepted", "/webhook"},
		{"open-path", "POST", "/webhooks/on-x", read, "debug", "accepted", "/webhooks/on-*"},
		{"refused", "POST", "/webhook", "{", "warn", "not-json", "/webhook"},
		{"unknown-path", "POST", "/x", read, "warn", "not-found", "none"},
		{"passer-by", "GET", "/x", "", "debug", "not-found", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newSetup().start(t)
			do(t, newRequest(t, tt.method, b.url+tt.path, strings.NewReader(tt.body)))
			eventually(t, "the request is logged", func() bool { return b.logs.String() != "" })
			lines := strings.Split(strings.TrimSpace(b.logs.String()), "\n")
			var line map[string]any
			if err := json.Unmarshal([]byte(lines[0]), &line); err != nil || len(lines) != 1 {
				t.Fatalf("got %q, want one line of JSON", lines)
			}
			if line["level"] != tt.level || line["outcome"] != tt.outcome || line["path"] != tt.route {
				t.Errorf("got %v, want %s %s %s", line, tt.level, tt.outcome, tt.route)
			}
		})
	}
}

// TestNoAnswer: an Accepter that cannot tell the outcome may have the
// connection closed without an answer.
func TestNoAnswer(t *testing.T) {
	s := newSetup()
	s.accepter.AcceptFn = func(context.Context, delivery.Delivery) error {
		return fmt.Errorf("flush: %w", delivery.ErrNoAnswer)
	}
	b := s.start(t)
	if a, err := try(b.request(t, "/webhook", read)); err == nil {
		t.Errorf("got %d, want no answer", a.status)
	}
	b.wantMetrics(t, `outcome="no-answer"`)
}
