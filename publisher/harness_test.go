package publisher_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// options returns valid options for a bridge; url "" is the embedded server.
func options(t testing.TB, url string) publisher.Options {
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
func withJournal(t testing.TB, url string) publisher.Options {
	t.Helper()
	o := options(t, url)
	o.Config.Ack = publisher.AckJournal
	o = o.WithCheckEvery(100 * time.Millisecond)
	return o
}

// open starts a bridge and closes it at the end of the test.
func open(t testing.TB, o publisher.Options) *publisher.Publisher {
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

// closed closes a bridge.
func closed(t testing.TB, p *publisher.Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// reopen closes a bridge and starts it anew, without metrics.
func reopen(t *testing.T, p *publisher.Publisher, o publisher.Options) *publisher.Publisher {
	t.Helper()
	closed(t, p)
	o.Metrics = nil
	return open(t, o)
}

func deliveryOf(ids ...string) delivery.Delivery {
	return delivery.Delivery{Events: natstest.Events(ids...)}
}

// wantAnswer fails the test unless Accept answers a delivery so: nil is a 2xx.
func wantAnswer(t *testing.T, p *publisher.Publisher, d delivery.Delivery, want error) {
	t.Helper()
	if err := p.Accept(t.Context(), d); !errors.Is(err, want) {
		t.Fatalf("Accept = %v, want %v", err, want)
	}
}

// accept accepts one delivery for each id, one after the other.
func accept(t *testing.T, p *publisher.Publisher, ids ...string) {
	t.Helper()
	for _, id := range ids {
		wantAnswer(t, p, deliveryOf(id), nil)
	}
}

// settle waits until everything accepted is settled, and checks the account.
func settle(t *testing.T, p *publisher.Publisher) ledger.Account {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Events().Drain(ctx); err != nil {
		t.Fatalf("%v; status %+v", err, p.Status())
	}
	a := p.Events().Account()
	if a.Unaccounted != 0 || a.Pending != 0 {
		t.Errorf("account: %+v, want nothing pending and nothing unaccounted", a)
	}
	return a
}

// publish accepts one delivery for each id, and waits until all is settled.
func publish(t *testing.T, p *publisher.Publisher, ids ...string) ledger.Account {
	t.Helper()
	accept(t, p, ids...)
	return settle(t, p)
}

// well reports whether a bridge is ready and has nothing to tell.
func well(p *publisher.Publisher) bool {
	s := p.Status()
	return s.Ready && !s.Degraded
}

// says reports whether one reason of the status has all of the parts.
func says(p *publisher.Publisher, parts ...string) bool {
	return slices.ContainsFunc(reasonsOf(p.Status()), func(reason string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(reason, part) })
	})
}

// finding returns the first finding of a stream whose problem has a part in it; the zero value if
// there is none.
func finding(p *publisher.Publisher, stream, part string) streams.Finding {
	for _, f := range p.Findings() {
		if f.Stream == stream && strings.Contains(f.Problem, part) {
			return f
		}
	}
	return streams.Finding{}
}

// readSetAside returns what is set aside, by id.
func readSetAside(t *testing.T, dataDir string) map[string]setaside.Entry {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dataDir, "set-aside", "*.msg"))
	entries := map[string]setaside.Entry{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		e, err := setaside.Decode(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		entries[e.ID] = e
	}
	return entries
}

// wantMetric fails the test unless metric returns this.
func wantMetric(t *testing.T, reg prometheus.Registerer, want float64, name string, labels ...string) {
	t.Helper()
	if got := metric(t, reg, name, labels...); got != want {
		t.Errorf("%s%v = %v, want %v", name, labels, got, want)
	}
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

// followed returns the ids of what a client reads.
func followed(t *testing.T, c *client.Client, o client.FollowOptions) (ids []string) {
	t.Helper()
	for m, err := range c.Follow(t.Context(), o) {
		if err != nil {
			t.Errorf("Follow: %v", err)
			break
		}
		ids = append(ids, m.Header[schema.HeaderMsgID][0])
	}
	return ids
}

// madeByABridge is the stream of the events as a bridge makes it that is not configured.
func madeByABridge(t *testing.T) jetstream.StreamConfig {
	t.Helper()
	n := natstest.Start(t)
	open(t, options(t, n.URL))
	cfg := n.StreamInfo(t, "TREBLE").Config
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
