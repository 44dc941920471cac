package ingress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "ingress-5f2c9a71-token"
	read  = `{"country_code":"+57","cellphone":"3161234567","session_id":"s1","read_at":"2024-01-01 00:00:00"}`
	wait  = 10 * time.Second
)

// accepter is an Accepter made of a function, and remembers what it was given.
type accepter struct {
	AcceptFn func(context.Context, delivery.Delivery) error

	mu         sync.Mutex
	deliveries []delivery.Delivery
}

func (a *accepter) Accept(ctx context.Context, d delivery.Delivery) error {
	a.mu.Lock()
	a.deliveries = append(a.deliveries, d)
	a.mu.Unlock()
	if a.AcceptFn == nil {
		return nil
	}
	return a.AcceptFn(ctx, d)
}

func (a *accepter) got() []delivery.Delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.deliveries)
}

func failing(err error) *accepter {
	return &accepter{AcceptFn: func(context.Context, delivery.Delivery) error { return err }}
}

// bridge is a server on a port of its own.
type bridge struct {
	*ingress.Server
	url      string
	addr     string
	accepter *accepter
	registry *prometheus.Registry
	logs     *buffer
	served   chan error
}

type setup struct {
	config   ingress.Config
	sources  []ingress.SourceConfig
	accepter *accepter
}

func newSetup() setup {
	cfg := ingress.DefaultConfig()
	cfg.Addr = "127.0.0.1:0"
	src := ingress.DefaultSource()
	src.Auth = auth.Config{Bearer: []value.Secret{token}}
	return setup{config: cfg, sources: []ingress.SourceConfig{src}, accepter: &accepter{}}
}

// start serves until the test ends.
func (s setup) start(t testing.TB) *bridge {
	t.Helper()
	logs := new(buffer)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), logs, zapcore.DebugLevel)
	b := &bridge{accepter: s.accepter, registry: prometheus.NewRegistry(), logs: logs, served: make(chan error, 1)}
	var err error
	if b.Server, err = ingress.New(s.config, s.sources, s.accepter, zap.New(core), b.registry); err != nil {
		t.Fatalf("new: %v", err)
	}
	if err := b.Listen(); err != nil {
		t.Fatalf("listen: %v", err)
	}
	b.addr = b.Addr().String()
	b.url = "http://" + b.addr
	go func() { b.served <- b.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-b.served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return b
}

// newServer returns a server that nobody has started.
func (s setup) newServer(t testing.TB) *ingress.Server {
	t.Helper()
	server, err := ingress.New(s.config, s.sources, s.accepter, zap.NewNop(), prometheus.NewRegistry())
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	return server
}

// metrics returns what /metrics would show.
func (b *bridge) metrics(t testing.TB) string {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	var out strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// answer is a whole reply.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // it announced the end of the connection
	proto  string
}

func (a answer) problem(t testing.TB) map[string]any {
	t.Helper()
	if got, want := a.header.Get("Content-Type"), "application/problem+json"; got != want {
		t.Errorf("content type: got %q, want %q", got, want)
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(a.body), &members); err != nil {
		t.Fatalf("problem %q: %v", a.body, err)
	}
	if got, want := members["status"], float64(a.status); got != want {
		t.Errorf("status in the problem: got %v, want %v", got, want)
	}
	if title, _ := members["title"].(string); title == "" {
		t.Errorf("problem %q has no title", a.body)
	}
	return members
}

func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func post(t testing.TB, url, body string) answer {
	t.Helper()
	return do(t, newRequest(t, http.MethodPost, url, strings.NewReader(body)))
}

// do uses a connection of its own, so that no idle one is left behind.
func do(t testing.TB, r *http.Request) answer {
	t.Helper()
	a, err := try(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return a
}

func try(r *http.Request) (answer, error) {
	return tryBy(&http.Transport{}, r)
}

// tryBy sends a request by a transport, and closes its connections.
func tryBy(transport *http.Transport, r *http.Request) (answer, error) {
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: wait}).Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), resp.Close, resp.Proto}, err
}

// dial opens a bare connection that fails the test rather than hang.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// buffer is a bytes.Buffer for several goroutines, and a zapcore.WriteSyncer.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) Sync() error { return nil }

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
