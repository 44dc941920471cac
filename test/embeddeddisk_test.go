package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// recovery is how long everything may take to flow again once the disk has room.
const recovery = 30 * time.Second

// TestEmbeddedFullDisk lets the disk fill up that the journal and the store of the
// embedded server share, and makes room again: the server, which keeps the error of
// its store, must work again without a restart of the bridge.
func TestEmbeddedFullDisk(t *testing.T) {
	t.Run("under-load", func(t *testing.T) { embeddedFullDisk(t, true) })
	t.Run("idle", func(t *testing.T) { embeddedFullDisk(t, false) })
}

func embeddedFullDisk(t *testing.T, load bool) {
	k := &killer{t: t, path: binary(t), dataDir: smallDisk(t, 96), oracle: newOracle()}
	k.env = []string{
		"TREBLE_BRIDGE_JOURNAL_RESERVE=4MiB",
		"TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=64MiB",
	}
	k.posters = startPosters(k.oracle, 16, 300)
	k.posters.pace = 5 * time.Millisecond // several rounds must fit the disk
	t.Cleanup(k.posters.close)
	k.start()
	ballast := filepath.Join(k.dataDir, "ballast")
	for range 2 {
		began := k.oracle.now()
		k.bridge.await("events are accepted and published", func(context.Context) error {
			if n := k.oracle.acceptedSince(began); n < 200 {
				return fmt.Errorf("%d are accepted", n)
			}
			return k.publishes(t.Context())
		})
		if !load {
			k.quiet()
			k.bridge.published(t)
		}
		fillDisk(t, ballast)
		k.othersFail()
		full := k.oracle.now()
		if !load {
			k.posters.to(k.bridge.addrs.Ingress)
		}
		k.bridge.await("events are refused", func(context.Context) error {
			if n := k.oracle.unavailableSince(full); n < 100 {
				return fmt.Errorf("%d are", n)
			}
			return nil
		})
		k.bridge.await("/readyz says so", func(ctx context.Context) error {
			if r := k.bridge.readiness(ctx); r.Status == "ready" {
				return errors.New("ready")
			}
			return nil
		})
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		k.recovers()
	}
	wrong := k.drain()
	reportBreaches(t, wrong)
	t.Log(&k.killTotals)
	if odd := k.answers.odd(append(plain, http.StatusServiceUnavailable)...); len(odd) > 0 {
		t.Errorf("got answers %v, want only %v and 503", odd, plain)
	}
}

// othersFail lets other clients of the embedded server publish to both streams until the
// server cannot store it: its store keeps that error.
func (k *killer) othersFail() {
	k.t.Helper()
	js := k.bridge.jetStream(k.t)
	for _, subject := range []string{"treble." + filler, "treble-quarantine." + filler} {
		var err error
		for n := 0; err == nil; n++ {
			if n == 10_000 {
				k.t.Fatalf("a full disk took %d messages", n)
			}
			_, err = js.Publish(k.t.Context(), subject, fillerMessage, jetstream.WithRetryAttempts(0))
		}
	}
}

// recovers wants that events and refused bodies are stored again, and that the bridge
// is ready.
func (k *killer) recovers() {
	k.t.Helper()
	began, tick := time.Now(), k.oracle.now()
	stored := k.bridge.metrics(k.t)["treble_bridge_stored_events"]
	refused := k.bridge.metrics(k.t).sum("treble_bridge_quarantine_total", `outcome="stored"`)
	step := func(what string, holds func() bool) {
		k.t.Helper()
		waitFor(k.t, recovery-time.Since(began), what+" once the disk has room", holds)
		k.t.Logf("%s %s after there is room", what, time.Since(began).Round(time.Millisecond))
	}
	step("events are accepted", func() bool { return k.oracle.acceptedSince(tick) > 100 })
	step("events are stored", func() bool { return k.bridge.metrics(k.t)["treble_bridge_stored_events"] > stored+100 })
	step("refused bodies are stored", func() bool {
		return k.bridge.metrics(k.t).sum("treble_bridge_quarantine_total", `outcome="stored"`) > refused+3
	})
	step("the bridge is ready", func() bool { return k.bridge.readiness(k.t.Context()).Status == "ready" })
}

// quiet pauses the posters, and waits until no request is on its way.
func (k *killer) quiet() {
	k.t.Helper()
	k.posters.pause()
	k.bridge.await("the posters are quiet", k.posters.quiet)
}
