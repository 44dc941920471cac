package publisher_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func closeNow(t *testing.T, p *publisher.Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Events and the stream's limits are there after a restart, for others too.
func TestEmbeddedRestart(t *testing.T) {
	o := options(t, "")
	o.NATS.Embedded.Token = "a-token-of-16-bytes"
	var want []string
	var limit int64
	for run := range 3 {
		o.Metrics = prometheus.NewRegistry()
		p, err := publisher.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if s := p.Status(); !s.Ready || s.Degraded {
			t.Errorf("run %d: Status = %+v, want ready", run, s)
		}
		id := fmt.Sprint("run-", run)
		if err := p.Accept(t.Context(), deliveryOf(id)); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
		if _, err := nats.Connect("nats://" + p.NATSAddr()); err == nil {
			t.Error("connected without the token")
		}
		js := natstest.Connect(t, "nats://"+p.NATSAddr(), nats.Token("a-token-of-16-bytes"))
		if got := natstest.IDs(t, js, "TREBLE"); !slices.Equal(got, want) {
			t.Errorf("run %d: stream holds %v, want %v", run, got, want)
		}
		s, err := js.Stream(t.Context(), "TREBLE")
		if err != nil {
			t.Fatal(err)
		}
		max := s.CachedInfo().Config.MaxBytes
		if free := datadir.Free(o.DataDir); run == 0 && (max < free/4 || max > free) {
			t.Errorf("max_bytes = %d, want about half of the free %d", max, free)
		}
		if run > 0 && max != limit {
			t.Errorf("run %d: max_bytes = %d, was %d", run, max, limit)
		}
		limit = max
		closeNow(t, p)
	}
}

// A limit that is far more than the disk has does not keep the stream from
// being recovered, as it would with the server's own default.
func TestEmbeddedRecoversWithLittleDisk(t *testing.T) {
	o := options(t, "")
	o.Config.MaxBytes = 500 * value.TiB
	for run := range 2 {
		o.Metrics = prometheus.NewRegistry()
		p, err := publisher.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if s := p.Status(); !s.Ready || s.Degraded {
			t.Errorf("run %d: Status = %+v, want ready", run, s)
		}
		closeNow(t, p)
	}
}

func TestEmbeddedIsLoggedWithItsAddress(t *testing.T) {
	o := options(t, "")
	var log natstest.LogBuffer
	o.Log = log.Logger()
	p := open(t, o)
	if want := `"msg":"connected to nats","url":"nats://` + p.NATSAddr() + `"`; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, &log)
	}
}

func TestEmbeddedTakesLargeMessages(t *testing.T) {
	o := options(t, "")
	o.MaxBody = 10 * value.MiB
	o.Config.AckTimeout = time.Minute // it is about the size, not about the speed of this machine
	p := open(t, o)
	if got, want := p.Limit(), int64(21*value.MiB); got != want {
		t.Errorf("limit = %d, want %d", got, want)
	}
	d := deliveryOf("big")
	d.Events[0] = natstest.Event("big", `"`+strings.Repeat("x", 20<<20)+`"`)
	if err := p.Accept(t.Context(), d); err != nil {
		t.Errorf("Accept of 20 MiB: %v", err)
	}
}

func TestEmbeddedPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options(t, "")
	o.NATS.Embedded.Addr = l.Addr().String()
	p, err := publisher.Open(t.Context(), o)
	if err == nil {
		closeNow(t, p)
		t.Fatal("Open on a taken port = nil")
	}
	for _, want := range []string{"nats.embedded.addr", "nats.url", l.Addr().String()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	// Nothing is left behind: the same directory works on another port.
	o.NATS.Embedded.Addr = "127.0.0.1:0"
	o.Metrics = prometheus.NewRegistry()
	open(t, o)
}

func TestDataDirIsLocked(t *testing.T) {
	n := natstest.Start(t)
	for _, url := range []string{"", n.URL} {
		o := options(t, url)
		first := open(t, o)
		second := o
		second.Metrics = prometheus.NewRegistry()
		_, err := publisher.Open(t.Context(), second)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
			t.Errorf("url %q: second Open = %v, want an error with the pid", url, err)
		}
		closeNow(t, first)
		second.Metrics = prometheus.NewRegistry()
		open(t, second)
	}
}

// A host without a disk still publishes to a NATS of its own.
func TestOpenWithoutDataDir(t *testing.T) {
	n := natstest.Start(t)
	o := options(t, n.URL)
	o.DataDir = "/dev/null/data"
	p := open(t, o)
	if err := p.Accept(t.Context(), deliveryOf("x")); err != nil {
		t.Errorf("Accept: %v", err)
	}
	o = options(t, "")
	o.DataDir = "/dev/null/data"
	if p, err := publisher.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "data_dir") {
		if err == nil {
			closeNow(t, p)
		}
		t.Errorf("embedded: Open = %v, want an error about data_dir", err)
	}
}

// TestFirstStartIsQuiet: a stream that is made in a moment is nothing to warn of.
func TestFirstStartIsQuiet(t *testing.T) {
	for range 5 {
		core, logs := observer.New(zap.WarnLevel)
		o := withJournal(t, "")
		o.Log = zap.New(core)
		p, err := publisher.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Accept(t.Context(), deliveryOf("first")); err != nil {
			t.Error(err)
		}
		closeNow(t, p)
		for _, e := range logs.All() {
			t.Errorf("%s: %v", e.Message, e.ContextMap())
		}
	}
}
