package publisher

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
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
	var ids []string
	for _, m := range streamMessages(t, js, stream) {
		ids = append(ids, m.Header.Get(schema.HeaderMsgID))
	}
	return ids
}

func streamMessages(t *testing.T, js jetstream.JetStream, stream string) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatalf("stream %s: %v", stream, err)
	}
	state := s.CachedInfo().State
	var msgs []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("message %d of %s: %v", seq, stream, err)
		}
		msgs = append(msgs, m)
	}
	return msgs
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

func delivery(ids ...string) schema.Delivery {
	var d schema.Delivery
	for _, id := range ids {
		d.Events = append(d.Events, anEvent(id, `{"id":"`+id+`"}`))
	}
	return d
}

func rejected(body string) schema.Delivery {
	return schema.Delivery{
		Origin: schema.Origin{
			Source: "default", Path: "/webhook", Received: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
			Header: map[string][]string{"User-Agent": {"treble"}, "Authorization": {"Bearer s3cret"}},
		},
		Body: []byte(body),
		Rejection: &schema.Rejection{
			Reason:     schema.ReasonNotJSON,
			Violations: []schema.Violation{{Problem: "not JSON: unexpected end"}},
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

// proxy stands between the bridge and NATS and misbehaves on demand.
type proxy struct {
	listener net.Listener
	target   string
	holdBack atomic.Bool  // bytes from the server wait
	budget   atomic.Int64 // bytes from the client until the cut; negative: no cut
	stall    atomic.Bool  // bytes from the client are not read
	refuse   atomic.Bool  // new connections are closed at once
	accepted atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: strings.TrimPrefix(target, "nats://")}
	p.budget.Store(-1)
	p.done.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.holdBack.Store(false)
		p.stall.Store(false)
		p.cut()
		p.done.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuse.Load() {
			client.Close()
			continue
		}
		upstream, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.accepted.Add(1)
		p.mu.Lock()
		p.conns = append(p.conns, client, upstream)
		p.mu.Unlock()
		p.done.Go(func() { p.toServer(upstream, client) })
		p.done.Go(func() { p.toClient(client, upstream) })
	}
}

func (p *proxy) toServer(dst, src net.Conn) {
	defer src.Close()
	defer dst.Close()
	b := make([]byte, 32<<10)
	for {
		for p.stall.Load() {
			time.Sleep(time.Millisecond)
		}
		n, err := src.Read(b)
		if err != nil {
			return
		}
		if left := p.budget.Load(); left >= 0 {
			if int64(n) > left {
				dst.Write(b[:left])
				p.refuse.Store(true)
				return
			}
			p.budget.Add(-int64(n))
		}
		if _, err := dst.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) toClient(dst, src net.Conn) {
	defer src.Close()
	defer dst.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := src.Read(b)
		if err != nil {
			return
		}
		for p.holdBack.Load() {
			time.Sleep(time.Millisecond)
		}
		if _, err := dst.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// down cuts, and lets nobody in until up.
func (p *proxy) down() {
	p.refuse.Store(true)
	p.cut()
}

func (p *proxy) up() {
	p.budget.Store(-1)
	p.refuse.Store(false)
}

var _ io.Writer = (*logBuffer)(nil)

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return ids
}
