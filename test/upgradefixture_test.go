//go:build fixture

package test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestUpgradeFixture makes testdata/upgrade/format1.tar.gz with the binary OLD_BRIDGE;
// see the README there. It is no test.
func TestUpgradeFixture(t *testing.T) {
	old := os.Getenv("OLD_BRIDGE")
	if old == "" {
		t.Fatal("set OLD_BRIDGE to the binary of the older version")
	}
	dir := t.TempDir()
	accept := func(p *process, sessions []string, size int) {
		for batch := range slices.Chunk(sessions, 5) { // arrays too
			var events []string
			for _, s := range batch {
				events = append(events, readEvent(s, len(s), size))
			}
			body := events[0]
			if len(events) > 1 {
				body = "[" + strings.Join(events, ",") + "]"
			}
			if r := p.post(t, request{body: body}); r.status != 200 {
				t.Fatalf("%v: got %d %s", batch, r.status, r.body)
			}
		}
	}

	p := launch(t, old, dir, upgradeEnv...)
	p.ready()
	stored := upgradeSessions("stored", upgradeStored)
	for i := range 20 {
		accept(p, stored[i:i+1], 70)
	}
	accept(p, stored[20:40], 70)
	for i := range upgradeRefused {
		if r := p.post(t, request{body: fmt.Sprintf("{broken %d", i)}); r.status != 400 {
			t.Fatalf("got %d for a broken body", r.status)
		}
	}
	p.published(t)
	awaitStored(t, p.jetStream(t), 40)

	limit := func(size int32) {
		stream, err := p.jetStream(t).Stream(t.Context(), "TREBLE")
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		cfg.MaxMsgSize = size
		if _, err := p.jetStream(t).(jetstream.StreamManager).UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	limit(3000)
	for _, s := range upgradeSessions("aside", upgradeAside) {
		accept(p, []string{s}, 5000)
	}
	p.await("they are set aside", func(context.Context) error {
		if n := p.metrics(t)["treble_bridge_set_aside_events"]; n != upgradeAside {
			return fmt.Errorf("%g are", n)
		}
		return nil
	})
	limit(-1)
	accept(p, stored[40:], 70)
	p.published(t)
	p.await("the marks are flushed", func(context.Context) error {
		if v := journalView(t, dir); v.Pending > 0 {
			return errors.New("some look pending")
		}
		return nil
	})
	p.kill()

	p = launch(t, old, dir, append(upgradeEnv, "TREBLE_BRIDGE_NATS_URL=nats://127.0.0.1:1")...)
	p.ready()
	accept(p, upgradeSessions("pending", upgradePending), 70)
	p.kill()
	packUpgrade(t, dir)
}

// packUpgrade writes what counts of a data directory into an archive.
func packUpgrade(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join("testdata", "upgrade", "format1.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "addr.json" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(b))}); err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	if err := errors.Join(err, w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
