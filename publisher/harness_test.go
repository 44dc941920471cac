package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// natsServer is a nats-server as a user would run it, apart from the bridge.
type natsServer struct {
	*server.Server
	url string
	nc  *nats.Conn
	js  jetstream.JetStream
}

func startNATS(t *testing.T, change ...func(*server.Options)) *natsServer {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40,
	}
	for _, f := range change {
		f(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	n := &natsServer{Server: s, url: s.ClientURL()}
	if n.nc, err = nats.Connect(n.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.nc.Close)
	if n.js, err = jetstream.New(n.nc); err != nil {
		t.Fatal(err)
	}
	return n
}

// ids returns the ids of the messages in a stream, in its order.
func (n *natsServer) ids(t *testing.T, stream string) []string {
	t.Helper()
	return streamIDs(t, n.js, stream)
}

func streamIDs(t *testing.T, js jetstream.JetStream, stream string) []string {
	t.Helper()
	return natstest.IDs(t, js, stream)
}

// options returns valid options for a bridge; url "" is the embedded server.
func options(t *testing.T, url string) Options {
	t.Helper()
	o := Options{
		Config:  DefaultConfig(),
		NATS:    DefaultNATSConfig(),
		Journal: DefaultJournalConfig(),
		DataDir: t.TempDir(),
		MaxBody: 1 * value.MiB,
		Log:     zap.NewNop(),
		Metrics: prometheus.NewRegistry(),
	}
	o.Config.Ack = AckStream
	o.NATS.URL = url
	o.NATS.Embedded.Addr = "127.0.0.1:0"
	return o
}

// withJournal returns options for a bridge that accepts into its journal.
func withJournal(t *testing.T, url string) Options {
	t.Helper()
	o := options(t, url)
	o.Config.Ack = AckJournal
	o.recheck = 100 * time.Millisecond
	return o
}

// open starts a bridge and closes it at the end of the test.
func open(t *testing.T, o Options) *Publisher {
	t.Helper()
	p, err := Open(t.Context(), o)
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

// anEvent returns an event with the id, and raw as its raw value.
func anEvent(id, raw string) schema.Event {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	return schema.Event{
		ID: id, Source: "default", Kind: schema.KindMessageRead, Subject: "session-1",
		Time: now, ReceivedTime: now, DedupeKey: schema.DedupeContent,
		Data: &schema.MessageRead{Common: schema.Common{SessionID: "session-1", Raw: json.RawMessage(raw)}},
	}
}

func deliveryOf(ids ...string) delivery.Delivery {
	var d delivery.Delivery
	for _, id := range ids {
		d.Events = append(d.Events, anEvent(id, `{"id":"`+id+`"}`))
	}
	return d
}

func rejected(body string) delivery.Delivery {
	return delivery.Delivery{
		Origin: delivery.Origin{
			Source: "default", Path: "/webhook", Received: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
			Header: map[string][]string{"User-Agent": {"treble"}, "Authorization": {"Bearer s3cret"}},
		},
		Body: []byte(body),
		Rejection: &delivery.Rejection{
			Reason:     schema.ReasonNotJSON,
			Violations: []delivery.Violation{{Problem: "not JSON: unexpected end"}},
		},
	}
}

// eventually polls until cond is true.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
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

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) Sync() error { return nil }

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), l, zap.DebugLevel))
}

var _ io.Writer = (*logBuffer)(nil)

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return ids
}
