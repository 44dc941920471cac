//go:build fixture

package e2e

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestUpgradeFixture makes testdata/upgrade/format1.tar.gz with the binary OLD_BRIDGE;
// see the README there. It is no test.
func TestUpgradeFixture(t *testing.T) {
	old := os.Getenv("OLD_BRIDGE")
	if old == "" {
		t.Fatal("set OLD_BRIDGE to the binary of the older version")
	}
	dir := t.TempDir()
	accept := func(p *bridge.Process, sessions []string, size int) {
		for batch := range slices.Chunk(sessions, 5) { // arrays too
			var events []string
			for _, s := range batch {
				events = append(events, bridge.ReadEvent(s, len(s), size))
			}
			body := events[0]
			if len(events) > 1 {
				body = "[" + strings.Join(events, ",") + "]"
			}
			if r := p.Post(t, bridge.Request{Body: body}); r.Status != 200 {
				t.Fatalf("%v: got %d %s", batch, r.Status, r.Body)
			}
		}
	}

	p := bridge.LaunchBinary(t, old, dir, upgradeEnv...)
	p.Ready()
	stored := upgradeSessions("stored", upgradeStored)
	for i := range 20 {
		accept(p, stored[i:i+1], 70)
	}
	accept(p, stored[20:40], 70)
	for i := range upgradeRefused {
		if r := p.Post(t, bridge.Request{Body: fmt.Sprintf("{broken %d", i)}); r.Status != 400 {
			t.Fatalf("got %d for a broken body", r.Status)
		}
	}
	p.Published(t)
	awaitStored(t, p.JetStream(t), 40)

	limit := func(size int32) {
		stream, err := p.JetStream(t).Stream(t.Context(), "TREBLE")
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxMsgSize = size
		if _, err := p.JetStream(t).(jetstream.StreamManager).UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	limit(3000)
	for _, s := range upgradeSessions("aside", upgradeAside) {
		accept(p, []string{s}, 5000)
	}
	p.Await("they are set aside", func(context.Context) error {
		if n := p.Metrics(t)["treble_bridge_set_aside_events"]; n != upgradeAside {
			return fmt.Errorf("%g are", n)
		}
		return nil
	})
	limit(-1)
	accept(p, stored[40:], 70)
	p.Published(t)
	p.Await("the marks are flushed", func(context.Context) error {
		if v := journalView(t, dir); v.Pending > 0 {
			return errors.New("some look pending")
		}
		return nil
	})
	p.Kill()

	p = bridge.LaunchBinary(t, old, dir, append(upgradeEnv, "TREBLE_BRIDGE_NATS_URL=nats://127.0.0.1:1")...)
	p.Ready()
	accept(p, upgradeSessions("pending", upgradePending), 70)
	p.Kill()
	packUpgrade(t, dir)
}

// packUpgrade writes what counts of a data directory into an archive.
func packUpgrade(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(bridge.Testdata, "upgrade", "format1.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	w := tar.NewWriter(z)
	bridge.EachFile(t, dir, func(path string, b []byte) {
		if filepath.Base(path) == "addr.json" {
			return
		}
		name, nameErr := filepath.Rel(dir, path)
		err = errors.Join(err, nameErr, w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(b))}))
		_, writeErr := w.Write(b)
		err = errors.Join(err, writeErr)
	})
	if err := errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
