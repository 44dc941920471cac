package publisher_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// Events and the stream's limits are there after a restart, for others too.
func TestEmbeddedRestart(t *testing.T) {
	o := options(t, "")
	o.NATS.Embedded.Token = "a-token-of-16-bytes"
	var want []string
	var limit int64
	for run := range 3 {
		o.Metrics = prometheus.NewRegistry()
		p := open(t, o)
		if !well(p) {
			t.Errorf("run %d: Status = %+v, want ready", run, p.Status())
		}
		id := fmt.Sprint("run-", run)
		accept(t, p, id)
		want = append(want, id)
		if _, err := nats.Connect("nats://" + p.NATSAddr()); err == nil {
			t.Error("connected without the token")
		}
		js := natstest.Connect(t, "nats://"+p.NATSAddr(), nats.Token("a-token-of-16-bytes"))
		natstest.WantIDs(t, js, "TREBLE", want...)
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
		closed(t, p)
	}
}

// A limit that is far more than the disk has does not keep the stream from
// being recovered, as it would with the server's own default.
func TestEmbeddedRecoversWithLittleDisk(t *testing.T) {
	o := options(t, "")
	o.Config.MaxBytes = 500 * value.TiB
	for run := range 2 {
		o.Metrics = prometheus.NewRegistry()
		p := open(t, o)
		if !well(p) {
			t.Errorf("run %d: Status = %+v, want ready", run, p.Status())
		}
		closed(t, p)
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
	wantAnswer(t, p, natstest.Delivery(natstest.Padded("big", 20<<20)), nil)
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
		closed(t, p)
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
		closed(t, first)
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
	accept(t, p, "x")
	o = options(t, "")
	o.DataDir = "/dev/null/data"
	if p, err := publisher.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "data_dir") {
		if err == nil {
			closed(t, p)
		}
		t.Errorf("embedded: Open = %v, want an error about data_dir", err)
	}
}

// TestFirstStartWarnsOfNothing: a first start warns of nothing, also while its streams are made, and a
// publish has its time in the metric.
func TestFirstStartWarnsOfNothing(t *testing.T) {
	for name, c := range map[string]struct {
		embedded bool
		ack      string
	}{
		"embedded": {true, publisher.AckJournal}, "journal": {false, publisher.AckJournal}, "stream": {false, publisher.AckStream},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				url := ""
				if !c.embedded {
					url = natstest.Start(t).URL
				}
				o := withJournal(t, url)
				o.Config.Ack = c.ack
				log, logs := natstest.Log(zap.WarnLevel)
				o.Log = log
				p := open(t, o)
				accept(t, p, "first")
				if p.Events() != nil {
					settle(t, p)
				}
				closed(t, p)
				for _, e := range logs.All() {
					t.Errorf("%s: %v", e.Message, e.ContextMap())
				}
				if !observed(t, o.Metrics, "treble_bridge_publish_ack_seconds") {
					t.Error("treble_bridge_publish_ack_seconds has no observation")
				}
			}
		})
	}
}

// observed reports whether a histogram has an observation.
func observed(t *testing.T, reg prometheus.Registerer, name string) bool {
	t.Helper()
	families, err := reg.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleCount() > 0
		}
	}
	return false
}
