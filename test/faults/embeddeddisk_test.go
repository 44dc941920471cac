package faults

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// recovery bounds the time until events flow again once the disk has room.
const recovery = 30 * time.Second

// TestEmbeddedFullDisk lets the disk fill up that the journal and the store of the
// embedded server share, and makes room again: the server, which keeps the error of
// its store, must work again without a restart of the bridge.
func TestEmbeddedFullDisk(t *testing.T) {
	t.Parallel()
	for name, load := range map[string]bool{"under-load": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			embeddedFullDisk(t, load)
		})
	}
}

func embeddedFullDisk(t *testing.T, load bool) {
	k := newKiller(t, killEmbedded, smallDisk(t, 96), 16, 300,
		"TREBLE_BRIDGE_JOURNAL_RESERVE=4MiB",
		"TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=64MiB")
	k.clients.Pace = 5 * time.Millisecond // several rounds must fit the disk
	k.start()
	ballast := filepath.Join(k.dataDir, "ballast")
	for range 2 {
		began := k.oracle.Now()
		k.accepts(began, 200)
		k.publishes()
		if !load {
			k.clients.PauseAndWait(t)
			k.bridge.Published(t)
		}
		fillDisk(t, ballast)
		k.othersFail()
		full := k.oracle.Now()
		if !load {
			k.clients.To(k.bridge.Addrs.Ingress)
		}
		k.refuses(full, 100)
		k.bridge.Await("/readyz says so", func(ctx context.Context) error {
			if r := k.bridge.Readiness(ctx); r.Status == "ready" {
				return errors.New("ready")
			}
			return nil
		})
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		k.recovers()
	}
	k.finish(http.StatusServiceUnavailable)
}

// othersFail lets other clients of the embedded server publish to both streams until the
// server cannot store it: its store keeps that error.
func (k *killer) othersFail() {
	k.t.Helper()
	js := k.bridge.JetStream(k.t)
	// At once: a message that cannot be stored gets no answer, and is waited for.
	var failing sync.WaitGroup
	for _, subject := range []string{"treble." + filler, "treble-quarantine." + filler} {
		failing.Go(func() {
			var err error
			for n := 0; err == nil; n++ {
				if n == 10_000 {
					k.t.Errorf("a full disk took %d messages on %s", n, subject)
					return
				}
				_, err = js.Publish(k.t.Context(), subject, fillerMessage, jetstream.WithRetryAttempts(0))
			}
		})
	}
	failing.Wait()
}

// recovers wants that events and refused bodies are stored again, and that the bridge
// is ready.
func (k *killer) recovers() {
	k.t.Helper()
	began, tick := time.Now(), k.oracle.Now()
	stored := k.bridge.Metrics(k.t)["treble_bridge_stored_events"]
	refused := k.bridge.Metrics(k.t).Sum("treble_bridge_quarantine_total", `outcome="stored"`)
	step := func(what string, holds func() bool) {
		k.t.Helper()
		bridge.AwaitTrue(k.t, recovery-time.Since(began), what+" once the disk has room", holds)
		k.t.Logf("%s %s after there is room", what, time.Since(began).Round(time.Millisecond))
	}
	step("events are accepted", func() bool { return k.oracle.AcceptedSince(tick) > 100 })
	step("events are stored", func() bool { return k.bridge.Metrics(k.t)["treble_bridge_stored_events"] > stored+100 })
	step("refused bodies are stored", func() bool {
		return k.bridge.Metrics(k.t).Sum("treble_bridge_quarantine_total", `outcome="stored"`) > refused+3
	})
	step("the bridge is ready", func() bool { return k.bridge.Readiness(k.t.Context()).Status == "ready" })
}
