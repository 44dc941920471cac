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

func TestMetrics(t *testing.T) {
	s := newSetup()
	s.sources[0].Auth.Bearer = []value.Secret{token, token + "-new"}
	b := s.start(t)
	lastEvent := func() string {
		for _, line := range strings.Split(b.metrics(t), "\n") {
			if strings.HasPrefix(line, `treble_bridge_last_event_timestamp_seconds{source="default"}`) {
				return line
			}
		}
		return ""
	}
	start := lastEvent()
	if start == "" || strings.HasSuffix(start, " 0") {
		t.Errorf("last event: got %q, want the time of the start", start)
	}
	test := newRequest(t, "POST", b.url+"/webhook", strings.NewReader(read))
	test.Header.Set("Treble-Test", "run-1")
	do(t, test)
	if got := lastEvent(); got != start {
		t.Errorf("last event: got %q, want a test run not to count: %q", got, start)
	}

	post(t, b.url+"/webhook", read)
	post(t, b.url+"/webhook", "["+read+`,{"x":1}]`)
	post(t, b.url+"/webhook", "{")
	post(t, b.url+"/elsewhere", read)
	rotated := newRequest(t, "POST", b.url+"/webhook", strings.NewReader(read))
	rotated.Header.Set("Authorization", "Bearer "+token+"-new")
	do(t, rotated)
	if got := lastEvent(); got == start {
		t.Errorf("last event: got %q after events, as at the start", got)
	}
	m := b.metrics(t)
	for _, want := range []string{
		`treble_bridge_requests_total{kind="message.read",outcome="accepted",source="default"} 3`,
		`treble_bridge_requests_total{kind="several",outcome="accepted",source="default"} 1`,
		`treble_bridge_requests_total{kind="none",outcome="not-json",source="default"} 1`,
		`treble_bridge_requests_total{kind="none",outcome="not-found",source="none"} 1`,
		`treble_bridge_authentications_total{credential="bearer-1",source="default"} 4`,
		`treble_bridge_authentications_total{credential="bearer-2",source="default"} 1`,
		`treble_bridge_accept_seconds_count{source="default"} 4`,
		`treble_bridge_requests_in_flight 0`,
		`treble_bridge_last_event_timestamp_seconds{source="default"} 1`, // a time of this century
	} {
		if !strings.Contains(m, want) {
			t.Errorf("metrics: got %s, want %s", m, want)
		}
	}
}

// TestLog: one line per request, at warn if it was refused.
func TestLog(t *testing.T) {
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

// TestPanic: the request gets a 500, and the server lives on.
func TestPanic(t *testing.T) {
	s := newSetup()
	s.accepter = &accepter{AcceptFn: func(_ context.Context, d delivery.Delivery) error {
		if d.Events[0].Subject == "boom" {
			panic("boom")
		}
		return nil
	}}
	b := s.start(t)
	a := post(t, b.url+"/webhook", strings.Replace(read, `"s1"`, `"boom"`, 1))
	if a.status != 500 || a.problem(t)["type"] != "urn:treble-bridge:problem:internal-error" {
		t.Errorf("got %d %s, want 500 internal-error", a.status, a.body)
	}
	if got := post(t, b.url+"/webhook", read).status; got != 200 {
		t.Errorf("afterwards: got %d, want 200", got)
	}
}

// TestNoAnswer: an Accepter that cannot tell the outcome may have the
// connection closed without an answer.
func TestNoAnswer(t *testing.T) {
	s := newSetup()
	s.accepter = &accepter{AcceptFn: func(context.Context, delivery.Delivery) error {
		return fmt.Errorf("flush: %w", delivery.ErrNoAnswer)
	}}
	b := s.start(t)
	if a, err := try(newRequest(t, "POST", b.url+"/webhook", strings.NewReader(read))); err == nil {
		t.Errorf("got %d, want no answer", a.status)
	}
	if m := b.metrics(t); !strings.Contains(m, `outcome="no-answer"`) {
		t.Errorf("got %s, want it counted as no-answer", m)
	}
}
