package ingress_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// A body that is brought in again keeps the time of its first receipt, whether
// it is taken or refused, and is no sign of life from Treble.
func TestReceivedHeaderKeepsTheFirstTime(t *testing.T) {
	b := newSetup().start(t)
	before := b.lastEvent(t)
	const given = "2026-01-31T08:00:00.000000007-05:00"
	want := time.Date(2026, 1, 31, 13, 0, 0, 7, time.UTC)
	for _, c := range []struct {
		body   string
		status int
	}{{`{"session_id":"s1"}`, 200}, {`{`, 400}} {
		r := b.request(t, "/webhook", c.body)
		r.Header.Set(schema.HeaderReceived, given)
		if a := do(t, r); a.status != c.status {
			t.Errorf("%s: got %d %s, want %d", c.body, a.status, a.body, c.status)
		}
	}
	got := b.accepter.got()
	if len(got) != 2 {
		t.Fatalf("deliveries: got %d, want 2", len(got))
	}
	for _, d := range got {
		if !d.Received.Equal(want) {
			t.Errorf("%s: received %s, want %s", d.Body, d.Received, want)
		}
	}
	if e := got[0].Events[0]; !e.Time.Equal(want) || !e.ReceivedTime.Equal(want) {
		t.Errorf("time %s, receivedtime %s, want both %s", e.Time, e.ReceivedTime, want)
	}
	if after := b.lastEvent(t); after != before {
		t.Errorf("time of the last event: got %q, want it as before: %q", after, before)
	}
}

func TestReceivedHeaderRefused(t *testing.T) {
	b := newSetup().start(t)
	for name, values := range map[string][]string{
		"empty":      {""},
		"no-time":    {"yesterday"},
		"no-zone":    {"2026-01-31T08:00:00"},
		"future":     {time.Now().Add(time.Hour).Format(time.RFC3339)},
		"before-1":   {"0001-01-01T00:00:00+01:00"},
		"after-9999": {"9999-12-31T23:59:59-01:00"},
		"twice":      {"2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request(t, "/webhook", read)
			r.Header[schema.HeaderReceived] = values
			a := do(t, r)
			p := a.problem(t)
			if detail, _ := p["detail"].(string); a.status != 400 || !strings.Contains(detail, schema.HeaderReceived) {
				t.Errorf("got %d %s, want 400 and the name of the header", a.status, a.body)
			}
			if strings.Contains(a.body, "yesterday") {
				t.Errorf("the value is repeated: %s", a.body)
			}
			r.Header.Set("Authorization", "Bearer wrong")
			r.Body = http.NoBody
			if a := do(t, r); a.status != 401 {
				t.Errorf("without credentials: got %d, want 401", a.status)
			}
		})
	}
	// The clocks of two hosts are never quite the same.
	r := b.request(t, "/webhook", read)
	r.Header.Set(schema.HeaderReceived, time.Now().Add(20*time.Second).Format(time.RFC3339))
	if a := do(t, r); a.status != 200 {
		t.Errorf("a clock that is ahead: got %d, want 200", a.status)
	}
	if n := len(b.accepter.got()); n != 1 {
		t.Errorf("deliveries: got %d, want 1", n)
	}
}
