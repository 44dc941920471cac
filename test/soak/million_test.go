//go:build soak

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestSoakMillionPending starts a bridge whose journal holds a million events
// that were accepted while NATS was away. It prints what docs/guarantees.md
// says of the start.
func TestSoakMillionPending(t *testing.T) {
	const pending, writers = 1_000_000, 256
	dir := t.TempDir()
	fillJournal(t, dir, pending, writers)

	b := natstest.Start(t)
	began := time.Now()
	p := bridge.ServeOn(t, dir, "TREBLE_BRIDGE_NATS_URL="+b.ClientURL())
	ready := time.Since(began)
	p.PostEvent(t, bridge.Payload(t, "message-read.json"))
	p.Await("something is published", bridge.AtLeast(1, func() int { return int(p.Metrics(t)["treble_bridge_published_total"]) }))
	first := time.Since(began)
	bridge.AwaitTrue(t, 30*time.Minute, "all is published", func() bool { return p.Metrics(t)["treble_bridge_pending_events"] == 0 })
	drained := time.Since(began)
	m := p.Metrics(t)
	if m["treble_bridge_unaccounted_events"] != 0 || m["treble_bridge_stored_events"] != pending+1 {
		t.Errorf("stored %v, unaccounted %v; want %d and 0", m["treble_bridge_stored_events"], m["treble_bridge_unaccounted_events"], pending+1)
	}
	t.Logf("%d pending: accepting after %s, publishing after %s, drained after %s (%.0f/s), peak memory %d MiB",
		pending, ready.Round(time.Millisecond), first.Round(time.Millisecond), drained.Round(time.Second),
		pending/drained.Seconds(), p.Memory("VmHWM")>>20)
}

// fillJournal accepts events without a NATS.
func fillJournal(t *testing.T, dir string, events, writers int) {
	t.Helper()
	c := publisher.DefaultConfig()
	c.AckTimeout = time.Second
	n := publisher.DefaultNATSConfig()
	n.URL = "nats://127.0.0.1:1"
	p, err := publisher.Open(t.Context(), publisher.Options{
		Config: c, NATS: n, Journal: publisher.DefaultJournalConfig(), DataDir: dir, MaxBody: value.MiB,
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < events; i += writers {
				body, _ := json.Marshal(map[string]any{
					"session_id": fmt.Sprintf("m-%07d", i), "read_at": "2026-01-01 09:00:00", "conversation_id": 34820,
					"country_code": "+57", "cellphone": "3176477608", "sent_text": strings.Repeat("x", 100),
				})
				d := delivery.Parser{}.Parse(body, delivery.Origin{Source: "default", Path: "/webhook", Received: time.Now()})
				if err := p.Accept(t.Context(), d); err != nil {
					t.Errorf("accept: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
