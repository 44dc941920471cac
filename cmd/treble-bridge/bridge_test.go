package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/serve"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

const secret = "a-secret-of-the-tests"

// testConfig is a bridge on free ports, with everything in a directory that
// goes away.
func testConfig(t *testing.T) *config.Config {
	c := config.Default()
	c.DataDir = t.TempDir()
	c.Ingress.Addr, c.Ops.Addr, c.NATS.Embedded.Addr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Auth.Bearer = []value.Secret{secret}
	c.Log.Level = "debug"
	return &c
}

// natsURL is the URL of the embedded NATS of the bridge that runs on a data directory, with its token.
func natsURL(t *testing.T, dir string) string {
	t.Helper()
	a, err := cli.ReadAddrs(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := value.ReadSecret(filepath.Join(dir, datadir.NATSToken), "")
	if err != nil {
		t.Fatal(err)
	}
	return "nats://" + token + "@" + a.NATS
}

// running is a bridge in this process.
type running struct {
	*serve.Bridge
	config *config.Config
	logs   *buffer
	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, c *config.Config) *running {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatalf("configuration: %v", err)
	}
	logs := &buffer{}
	b, err := serve.Open(t.Context(), c, "test", cli.NewLogger(c.Log, logs))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{b, c, logs, cancel, make(chan error, 1)}
	if err := b.Announce(c); err != nil {
		t.Fatalf("announce: %v", err)
	}
	go func() { r.ended <- b.Run(ctx) }()
	return r
}

// stop ends it, and fails the test if that is not clean.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("run: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.config.ShutdownTimeout)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// post posts a body as Treble would.
func (r *running) post(t *testing.T, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+r.Addrs().Ingress+"/webhook", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

func leaks(t *testing.T) {
	here := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, here) })
}

func TestBridgeFromPostToTail(t *testing.T) {
	leaks(t)
	c := testConfig(t)
	b := start(t, c)
	for _, name := range webhook.SampleNames() {
		body, err := webhook.Sample(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.post(t, body).StatusCode; got != http.StatusOK {
			t.Errorf("%s: got %d, want 200", name, got)
		}
	}
	tail := func(args ...string) string {
		t.Helper()
		code, out, errs := command(t.Context(), "", append([]string{"tail", "--no-follow", "--data-dir", c.DataDir}, args...)...)
		if code != cli.ExitFine {
			t.Fatalf("tail %v: exit %d: %s", args, code, errs)
		}
		return out
	}
	// Events are published behind the answers.
	lines := strings.Split(strings.TrimSpace(tail()), "\n")
	for deadline := time.Now().Add(10 * time.Second); len(lines) < len(webhook.SampleNames()) && time.Now().Before(deadline); {
		lines = strings.Split(strings.TrimSpace(tail()), "\n")
	}
	if got, want := len(lines), len(webhook.SampleNames()); got != want {
		t.Fatalf("got %d lines, want %d:\n%s", got, want, strings.Join(lines, "\n"))
	}
	for i, name := range webhook.SampleNames() {
		kind, _, _ := strings.Cut(name, "-")
		if !strings.Contains(lines[i], kind) {
			t.Errorf("line %d: got %q, want the kind %s", i, lines[i], kind)
		}
	}
	if got := tail("--kind", "message.read", "--json", "--show-pii"); !json.Valid([]byte(got)) || strings.Count(got, "\n") != 1 || !strings.Contains(got, "+573176477608") {
		t.Errorf("json of one kind: got %q", got)
	}
	want, _ := webhook.Sample("conversation.closed")
	if got := tail("--kind", "conversation.closed", "--raw", "--show-pii", "--session", "d2fa98"); !strings.Contains(got, strings.TrimSpace(string(want))) {
		t.Errorf("raw: got %s\nwant the body as posted", got)
	}
	if got := tail("--session", "nobody"); got != "" {
		t.Errorf("an unknown session: got %q", got)
	}
	if got := strings.Count(tail("-n", "3"), "\n"); got != 3 {
		t.Errorf("limit: got %d lines, want 3", got)
	}
	for _, mode := range []string{"--json", "--raw", "--session="} {
		if out := tail(mode); strings.Contains(out, "3176477608") || strings.Contains(out, "3161234567") || strings.Contains(out, "12056192992") {
			t.Errorf("%s prints phone numbers:\n%s", mode, out)
		}
	}
	code, out, errs := command(t.Context(), "", "health", "--data-dir", c.DataDir)
	if code != cli.ExitFine || (out != "ready\n" && !strings.HasPrefix(out, "degraded\n")) {
		t.Errorf("health: exit %d, %q, %q", code, out, errs)
	}
	if strings.Contains(b.logs.String(), secret) || strings.Contains(b.logs.String(), "3176477608") {
		t.Error("the log has a secret or a phone number")
	}
	b.stop(t)
	code, _, errs = command(t.Context(), "", "health", "--data-dir", c.DataDir)
	if code != cli.ExitFailed {
		t.Errorf("health of a stopped bridge: exit %d, %q; want 1", code, errs)
	}
}

// A request in work when the shutdown begins gets its whole answer, while
// /readyz says what is going on and nobody new gets in.
func TestShutdownFinishesWhatIsInWork(t *testing.T) {
	leaks(t)
	b := start(t, testConfig(t))
	body, err := webhook.Sample("message.read")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", b.Addrs().Ingress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", secret, len(body))
	// The server asks for the body once a handler reads it: now it is in work.
	if line := make([]byte, len("HTTP/1.1 100")); !reads(conn, line) || string(line) != "HTTP/1.1 100" {
		t.Fatalf("got %q, want to be asked for the body", line)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.stop(t)
	}()
	url := "http://" + b.Addrs().Ops + "/readyz"
	eventually(t, "/readyz says that it shuts down", func() bool {
		r, err := cli.AskReadiness(t.Context(), url)
		return err == nil && r.Status == "unready" && len(r.Reasons) > 0 && r.Reasons[0] == "shutting down"
	})
	eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", b.Addrs().Ingress)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case <-stopped:
		t.Fatal("it stopped without waiting for the request")
	default:
	}
	if _, err := conn.Write(body); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "HTTP/1.1 200 OK") || !strings.HasSuffix(strings.TrimSpace(string(answer)), "{}") {
		t.Errorf("got %q, %v; want a whole 200", answer, err)
	}
	<-stopped
}

func reads(r io.Reader, into []byte) bool {
	_, err := io.ReadFull(r, into)
	return err == nil
}

func TestOpenNamesTheKeyOfATakenPort(t *testing.T) {
	leaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, set := range map[string]func(*config.Config){
		"ingress.addr":       func(c *config.Config) { c.Ingress.Addr = taken.Addr().String() },
		"ops.addr":           func(c *config.Config) { c.Ops.Addr = taken.Addr().String() },
		"nats.embedded.addr": func(c *config.Config) { c.NATS.Embedded.Addr = taken.Addr().String() },
	} {
		t.Run(key, func(t *testing.T) {
			c := testConfig(t)
			set(c)
			_, err := serve.Open(t.Context(), c, "test", cli.NewLogger(c.Log, io.Discard))
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("got %v, want it to name %s", err, key)
			}
			// What was opened before must be closed: the lock, for one.
			*c = *testConfigIn(c.DataDir)
			start(t, c).stop(t)
		})
	}
}

// TestTakenPortMakesNoStreams: a bridge that cannot listen ends before it changes anything in NATS.
func TestTakenPortMakesNoStreams(t *testing.T) {
	n := natstest.Start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, set := range []func(*config.Config){
		func(c *config.Config) { c.Ingress.Addr = taken.Addr().String() },
		func(c *config.Config) { c.Ops.Addr = taken.Addr().String() },
	} {
		c := testConfig(t)
		c.NATS.URL = n.URL
		set(c)
		if _, err := serve.Open(t.Context(), c, "test", cli.NewLogger(c.Log, io.Discard)); err == nil {
			t.Fatal("it is open")
		}
		for name := range n.JS.StreamNames(t.Context()).Name() {
			t.Errorf("there is a stream %s", name)
		}
	}
}

func testConfigIn(dir string) *config.Config {
	c := config.Default()
	c.DataDir = dir
	c.Ingress.Addr, c.Ops.Addr, c.NATS.Embedded.Addr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Auth.Bearer = []value.Secret{secret}
	return &c
}

func TestMetricsAreServed(t *testing.T) {
	leaks(t)
	b := start(t, testConfig(t))
	defer b.stop(t)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + b.Addrs().Ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"treble_bridge_build_info", "treble_bridge_nats_connected 1", "go_goroutines", "process_open_fds"} {
		if !strings.Contains(string(text), name) {
			t.Errorf("%s is missing", name)
		}
	}
}

// Tail goes on by itself when the NATS that it reads from was away.
func TestTailOutlivesNATS(t *testing.T) {
	c := testConfig(t)
	b := start(t, c)
	nats := b.Addrs().NATS
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs buffer
	code := make(chan int, 1)
	go func() {
		code <- runWith(ctx, []string{"tail", "--since", "1h", "--data-dir", c.DataDir}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	}()
	read, _ := webhook.Sample("message.read")
	b.post(t, read)
	eventually(t, "the first event is shown", func() bool { return strings.Contains(out.String(), "message.read") })
	b.stop(t)
	c.NATS.Embedded.Addr = nats // just freed, and tail comes back to it
	b = start(t, c)
	delivered, _ := webhook.Sample("message.delivered")
	b.post(t, delivered)
	eventually(t, "the event after the pause is shown", func() bool { return strings.Contains(out.String(), "message.delivered") })
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("got %d lines, want 2:\n%s", n, out.String())
	}
	cancel()
	if got := <-code; got != cli.ExitFine {
		t.Errorf("Ctrl-C: exit %d, want 0: %s", got, errs.String())
	}
	b.stop(t)
}

func TestReadinessBeforeTheDeadlineOfHealth(t *testing.T) {
	// A server that never answers must not hang a health check.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := cli.AskReadiness(ctx, "http://"+silent.Addr().String()); err == nil {
		t.Error("want an error")
	}
}

// What doctor posts and removes is not taken for a loss when NATS is started again.
func TestDoctorsProbeStaysRemoved(t *testing.T) {
	leaks(t)
	c := testConfig(t)
	b := start(t, c)
	config := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "data_dir: %s\nauth: {bearer: [%s]}\n", c.DataDir, secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := command(t.Context(), "", "doctor", "--config", config); code == cli.ExitUsage || !strings.Contains(out, "its message is deleted") {
		t.Fatalf("doctor: exit %d: %s %s", code, out, errs)
	}
	b.stop(t)
	b = start(t, c)
	defer b.stop(t)
	body, err := webhook.Sample(webhook.SampleNames()[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := b.post(t, body).StatusCode; got != http.StatusOK {
		t.Fatalf("got %d", got)
	}
	metrics := func() string {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + b.Addrs().Ops + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	natstest.Eventually(t, "the event is stored", func() bool { return strings.Contains(metrics(), "treble_bridge_published_total 1\n") })
	if !strings.Contains(metrics(), "treble_bridge_healed_total 0\n") {
		t.Error("the probe was put back")
	}
}
