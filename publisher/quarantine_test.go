package publisher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func TestQuarantineKeepsTheBody(t *testing.T) {
	n := natstest.Start(t)
	o := options(t, n.URL)
	p := open(t, o)
	body := "{\"x\": \"\xff\x00\r\n"
	d := natstest.Rejected(body)
	d.Path = "/a%b\nc"
	d.Header["X-Odd"] = []string{"zoë\r\nNats-Msg-Id: forged"}
	d.Rejection.Violations = []delivery.Violation{{Field: "señal", Problem: "line\nbreak 😀"}}
	if err := p.Accept(t.Context(), d); err != nil {
		t.Fatalf("Accept of a rejected body: %v", err)
	}
	natstest.Eventually(t, "stored", func() bool {
		return metric(t, o.Metrics, "treble_bridge_quarantine_total", "stored") == 1
	})
	m := natstest.Messages(t, n.JS, "TREBLE_QUARANTINE")[0]
	if m.Subject != "treble-quarantine.not-json" {
		t.Errorf("subject = %q", m.Subject)
	}
	if string(m.Data) != body {
		t.Errorf("data = %q, want %q", m.Data, body)
	}
	for name, want := range map[string]string{
		schema.HeaderReason:   "not-json",
		schema.HeaderSource:   "default",
		schema.HeaderPath:     "/a%25b%0Ac",
		schema.HeaderReceived: "2026-02-03T04:05:06Z",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if id := m.Header.Get(schema.HeaderQuarantineID); id == "" || id != m.Header.Get(schema.HeaderMsgID) {
		t.Errorf("%s = %q, want the message id", schema.HeaderQuarantineID, id)
	}
	var violations []delivery.Violation
	if err := json.Unmarshal([]byte(m.Header.Get(schema.HeaderViolations)), &violations); err != nil || !slices.Equal(violations, d.Rejection.Violations) {
		t.Errorf("violations = %v, %v, want %v", violations, err, d.Rejection.Violations)
	}
	want := []string{"User-Agent: treble", "X-Odd: zo%C3%AB%0D%0ANats-Msg-Id: forged"}
	if got := m.Header.Values(schema.HeaderRequestHeader); !slices.Equal(got, want) {
		t.Errorf("request headers = %q, want %q without the secret", got, want)
	}
}

// While NATS is away a body waits; it is stored once when NATS is back, also
// if the first PubAck was lost.
func TestQuarantineWaitsForNATS(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := options(t, px.URL())
	o.Config.AckTimeout = 200 * time.Millisecond
	p := open(t, o)

	p.Accept(t.Context(), natstest.Rejected("before"))
	natstest.Eventually(t, "it is stored", func() bool { return p.Refused().Account().Stored == 1 })
	px.HoldBack.Store(true) // stored, and the PubAck never comes
	p.Accept(t.Context(), natstest.Rejected("first"))
	n.AwaitMessages(t, "TREBLE_QUARANTINE", 2)
	px.Down()
	px.HoldBack.Store(false)
	natstest.Eventually(t, "away", func() bool { return !p.Conn().Connected() })
	p.Accept(t.Context(), natstest.Rejected("second"))
	wantMetric(t, o.Metrics, 2, "treble_bridge_quarantine_pending")
	px.Up()
	natstest.Eventually(t, "both stored", func() bool {
		return metric(t, o.Metrics, "treble_bridge_quarantine_total", "stored") == 3
	})
	if got := len(n.IDs(t, "TREBLE_QUARANTINE")); got != 3 {
		t.Errorf("quarantine holds %d, want 3", got)
	}
	wantMetric(t, o.Metrics, 0, "treble_bridge_quarantine_pending")
}

// A body that the server does not take goes to set-aside.
func TestLargeRefusedBodyIsSetAside(t *testing.T) {
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })
	o := options(t, n.URL)
	p := open(t, o)
	p.Accept(t.Context(), natstest.Rejected(strings.Repeat("x", 70<<10)))
	p.Accept(t.Context(), natstest.Rejected("small"))
	natstest.Eventually(t, "the small one stored", func() bool {
		return metric(t, o.Metrics, "treble_bridge_quarantine_total", "stored") == 1
	})
	wantMetric(t, o.Metrics, 1, "treble_bridge_quarantine_total", "set_aside")
	if got := len(readSetAside(t, o.DataDir)); got != 1 {
		t.Errorf("set-aside holds %d files, want 1", got)
	}
}

// What waited while NATS was away is stored after a restart, and counted once.
func TestRefusedBodiesOutliveTheBridge(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	o := options(t, px.URL())
	p := open(t, o)
	for i := range 1200 {
		p.Accept(t.Context(), natstest.Rejected(fmt.Sprint("body ", i)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	began := time.Now()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Close took %s, want it not to wait for a NATS that is away", took)
	}
	if s := inspectedRefused(t, o.DataDir); s.Pending != 1200 || !s.Sound() {
		t.Errorf("the journal of refused bodies: %+v, want 1200 pending", s)
	}
	px.Up()
	o.Metrics = prometheus.NewRegistry()
	p = open(t, o)
	natstest.Eventually(t, "all stored", func() bool { return p.Refused().Account().Stored == 1200 })
	if got := len(n.IDs(t, "TREBLE_QUARANTINE")); got != 1200 {
		t.Errorf("quarantine holds %d, want 1200", got)
	}
	if a := p.Refused().Account(); a.Accepted != 1200 || a.Pending != 0 || a.Unaccounted != 0 {
		t.Errorf("account %+v", a)
	}
}

func inspectedRefused(t *testing.T, dataDir string) *ledger.Inspection {
	t.Helper()
	s, err := ledger.Inspect(t.Context(), filepath.Join(dataDir, datadir.Refused), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
