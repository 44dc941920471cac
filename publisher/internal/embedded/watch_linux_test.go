package embedded_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// A disk that was full for a moment does not stop the streams for good.
func TestEmbeddedMendsItsStore(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	reg := prometheus.NewRegistry()
	restarts := func() float64 {
		families, err := reg.Gather()
		if err != nil || len(families) != 1 {
			t.Fatalf("%d families of metrics, %v", len(families), err)
		}
		return families[0].GetMetric()[0].GetCounter().GetValue()
	}
	e, err := embedded.Start(embedded.Options{
		Config: natsconfig.Embedded{Addr: "127.0.0.1:0", Open: true}, StoreDir: filepath.Join(dir, "nats"), MaxBody: value.MiB,
		Log: zap.NewNop(), Metrics: reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	conn, err := broker.Dial(broker.Options{Payload: 1 << 20, Embedded: e, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	streams := []*broker.Stream{broker.NewStream(conn, "TEST", time.Second), broker.NewStream(conn, "OTHER", time.Second)}
	for i, subject := range []string{"t.>", "o.>"} {
		cfg := jetstream.StreamConfig{Name: streams[i].Name(), Subjects: []string{subject}, AllowAtomicPublish: true, Storage: jetstream.FileStorage}
		if _, err := conn.JetStream().CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	publish := func(i int, id string) broker.Result {
		subject := []string{"t.a", "o.a"}[i]
		return streams[i].Publish(t.Context(), []broker.Message{{Subject: subject, ID: id, Header: broker.Header{{Name: "Nats-Msg-Id", Value: id}}, Data: make([]byte, 10_000)}})
	}
	addr := e.Addr()
	ballast := filepath.Join(dir, "ballast")
	fillDisk(t, ballast)
	acknowledged := []uint64{0, 0}
	for i := range streams {
		stopped := false
		for n := 0; n < 1000 && !stopped; n++ {
			r := publish(i, fmt.Sprint("full-", n))
			if stopped = r.Status != broker.Stored; !stopped {
				acknowledged[i] = r.First
			}
		}
		if !stopped {
			t.Fatal("the server writes to a full disk")
		}
	}
	time.Sleep(3 * time.Second) // nothing to wait for: it must not do anything
	if n := restarts(); n != 0 {
		t.Errorf("%v restarts while the disk is full", n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	for i := range streams {
		natstest.Eventually(t, "stored again", func() bool { return publish(i, "after").Status == broker.Stored })
	}
	if took := time.Since(room); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := restarts(); n != 1 || e.Addr() != addr {
		t.Errorf("%v restarts, at %s; want 1, at %s", n, e.Addr(), addr)
	}
	for i, s := range streams {
		if info, err := s.Info(t.Context()); err != nil || info.Messages < acknowledged[i]+1 {
			t.Errorf("stream %d: %+v, %v; want %d messages", i, info, err, acknowledged[i]+1)
		}
	}
}

// fillDisk writes until the disk is full.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
