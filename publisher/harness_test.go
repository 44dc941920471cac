package publisher_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// options returns valid options for a bridge; url "" is the embedded server.
func options(t *testing.T, url string) publisher.Options {
	t.Helper()
	o := publisher.Options{
		Config:  publisher.DefaultConfig(),
		NATS:    publisher.DefaultNATSConfig(),
		Journal: publisher.DefaultJournalConfig(),
		DataDir: t.TempDir(),
		MaxBody: 1 * value.MiB,
		Log:     zap.NewNop(),
		Metrics: prometheus.NewRegistry(),
	}
	o.Config.Ack = publisher.AckStream
	o.NATS.URL = url
	o.NATS.Embedded.Addr = "127.0.0.1:0"
	return o
}

// withJournal returns options for a bridge that accepts into its journal.
func withJournal(t *testing.T, url string) publisher.Options {
	t.Helper()
	o := options(t, url)
	o.Config.Ack = publisher.AckJournal
	o = o.WithCheckEvery(100 * time.Millisecond)
	return o
}

// open starts a bridge and closes it at the end of the test.
func open(t *testing.T, o publisher.Options) *publisher.Publisher {
	t.Helper()
	p, err := publisher.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		p.Close(ctx)
	})
	return p
}

func deliveryOf(ids ...string) delivery.Delivery {
	return delivery.Delivery{Events: natstest.Events(ids...)}
}

// metric returns the sum of the samples of a metric whose label values include
// all of labels.
func metric(t *testing.T, reg prometheus.Registerer, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	samples:
		for _, m := range f.GetMetric() {
			for _, want := range labels {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetValue() == want
				}
				if !found {
					continue samples
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// clientOptions are those of a client of the bridge that o is for.
func clientOptions(o publisher.Options) client.Options {
	spec := o.Config.Spec("")
	return client.Options{NATS: o.NATS, Role: "test", Events: spec.Events, Prefix: spec.Prefix, Timeout: o.Config.AckTimeout, Log: o.Log}
}

// madeByABridge is the stream of the events as a bridge makes it that is not configured.
func madeByABridge(t *testing.T) jetstream.StreamConfig {
	t.Helper()
	n := natstest.Start(t)
	open(t, options(t, n.URL))
	s, err := n.JS.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.Metadata = nil // of the server that it was made on
	return cfg
}

// reasonsOf are the reasons of a status, as people read them.
func reasonsOf(s publisher.Status) (lines []string) {
	for _, r := range s.Reasons {
		lines = append(lines, r.String())
	}
	return lines
}
