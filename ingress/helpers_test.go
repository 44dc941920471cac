package ingress_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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

// held makes deliveries wait inside Accept until they are released.
type held struct{ inside, release chan struct{} }

func newHeld() held { return held{make(chan struct{}, 100), make(chan struct{})} }

func (h held) accept(context.Context, delivery.Delivery) error {
	h.inside <- struct{}{}
	<-h.release
	return nil
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

// has reports whether /metrics would show a text.
func (b *bridge) has(t testing.TB, text string) bool {
	t.Helper()
	return strings.Contains(b.metrics(t), text)
}

// wantMetrics checks that /metrics would show each of the texts.
func (b *bridge) wantMetrics(t testing.TB, texts ...string) {
	t.Helper()
	got := b.metrics(t)
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("want %s in\n%s", text, got)
		}
	}
}

// awaitMetric waits until /metrics would show a text.
func (b *bridge) awaitMetric(t testing.TB, text string) {
	t.Helper()
	eventually(t, "the metrics have "+text, func() bool { return b.has(t, text) })
}

// lastEvent returns the line of the metric with the time of the last event.
func (b *bridge) lastEvent(t testing.TB) string {
	t.Helper()
	for line := range strings.Lines(b.metrics(t)) {
		if strings.HasPrefix(line, `treble_bridge_last_event_timestamp_seconds{source="default"}`) {
			return strings.TrimSpace(line)
		}
	}
	t.Fatal("there is no time of the last event")
	return ""
}

// awaitLog waits until the log has a text.
func (b *bridge) awaitLog(t testing.TB, text string) {
	t.Helper()
	eventually(t, "the log has "+text, func() bool { return strings.Contains(b.logs.String(), text) })
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

// request is a POST with the right credentials.
func (b *bridge) request(t testing.TB, path, body string) *http.Request {
	t.Helper()
	return newRequest(t, http.MethodPost, b.url+path, strings.NewReader(body))
}

func (b *bridge) post(t testing.TB, path, body string) answer {
	t.Helper()
	return do(t, b.request(t, path, body))
}

// postLater posts, and returns where the answer comes.
func (b *bridge) postLater(t testing.TB, body string) <-chan answer {
	t.Helper()
	r := b.request(t, "/webhook", body)
	answers := make(chan answer, 1)
	go func() {
		a, err := try(r)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		answers <- a
	}()
	return answers
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

// authorized is the beginning of a request with the right credentials.
const authorized = "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + token + "\r\n"

// head is the head of a request that announces a body of n bytes.
func head(secret string, n int) string {
	return fmt.Sprintf("POST /webhook HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", secret, n)
}

// goodRequest is a whole request that is accepted.
func goodRequest() string { return head(token, len(read)) + read }

// readAnswer reads one answer. Of several answers on a connection, r has to be a bufio.Reader.
func readAnswer(t testing.TB, r io.Reader) answer {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return answer{resp.StatusCode, resp.Header, string(b), resp.Close, resp.Proto}
}

// send posts a body with header lines over a bare connection of its own.
func (b *bridge) send(t testing.TB, target, body string, lines ...string) answer {
	t.Helper()
	conn := dial(t, b.addr)
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: bridge\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", target, len(body))
	for _, l := range lines {
		io.WriteString(conn, l+"\r\n")
	}
	io.WriteString(conn, "\r\n"+body)
	return readAnswer(t, conn)
}

// sendRaw writes a text to a connection of its own, closes that side, and returns what comes back.
func (b *bridge) sendRaw(t testing.TB, text string) string {
	t.Helper()
	conn := dial(t, b.addr)
	defer conn.Close()
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	return string(answer)
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
