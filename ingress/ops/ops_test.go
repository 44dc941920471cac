package ops_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/ingress/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func isReady() ops.Readiness { return ops.Readiness{Status: ops.Ready} }

// startOps serves until the test ends, and returns the URL.
func startOps(t *testing.T, pprof bool, ready func() ops.Readiness) string {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "test_gauge"}))
	o, err := ops.New(ops.Config{Addr: "127.0.0.1:0", Pprof: pprof}, ready, func() ops.CredentialsStatus { return ops.CredentialsStatus{} }, reg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- o.Serve() }()
	t.Cleanup(func() {
		if err := o.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + o.Addr().String()
}

func TestOps(t *testing.T) {
	states := map[string]ops.Readiness{
		"ready":    {Status: ops.Ready},
		"degraded": {Status: ops.Degraded, Reasons: []string{"NATS is away"}},
		"unready":  {Status: ops.Unready, Reasons: []string{"shutting down"}},
		"zero":     {},
	}
	tests := []struct {
		state, method, path string
		status              int
		body                string // whole, or a part of it if it ends in …
	}{
		{"ready", "GET", "/readyz", 200, `{"status":"ready"}`},
		{"degraded", "GET", "/readyz", 200, `{"status":"degraded","reasons":["NATS is away"]}`},
		{"unready", "GET", "/readyz", 503, `{"status":"unready","reasons":["shutting down"]}`},
		{"zero", "GET", "/readyz", 503, `{"status":""}`},
		{"not-asked", "GET", "/livez", 200, `{"status":"alive"}`},
		{"ready", "GET", "/metrics", 200, "test_gauge 0…"},
		{"ready", "POST", "/readyz", 405, "…"},
		{"ready", "GET", "/debug/pprof/", 404, "…"},
	}
	for _, tt := range tests {
		t.Run(tt.state+strings.ReplaceAll(tt.path, "/", "-")+"-"+tt.method, func(t *testing.T) {
			url := startOps(t, false, func() ops.Readiness {
				if tt.state == "not-asked" {
					t.Error("the readiness is asked for")
				}
				return states[tt.state]
			})
			a := ask(t, tt.method, url+tt.path, "")
			if a.status != tt.status {
				t.Errorf("got %d, want %d", a.status, tt.status)
			}
			if part, ok := strings.CutSuffix(tt.body, "…"); ok {
				if !strings.Contains(a.body, part) {
					t.Errorf("got %s, want %s in it", a.body, part)
				}
			} else if got := strings.TrimSpace(a.body); got != tt.body {
				t.Errorf("got %s, want %s", got, tt.body)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, addr := range []string{"", "8080", "host", "host:", ":70000", ":-1"} {
		if err := (ops.Config{Addr: addr}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "ops.addr: ") {
			t.Errorf("%q: got %v, want a problem of ops.addr", addr, err)
		}
	}
}

func TestOpsPprof(t *testing.T) {
	url := startOps(t, true, isReady)
	if a := get(t, url+"/debug/pprof/goroutine?debug=1"); a.status != 200 || !strings.Contains(a.body, "goroutine profile") {
		t.Errorf("got %d %.80s, want a goroutine profile", a.status, a.body)
	}
}

// TestOpsHost: what leads to loopback by another name is refused, so that no page in a browser reads the
// metrics.
func TestOpsHost(t *testing.T) {
	url := startOps(t, false, isReady)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9464": 200, "127.0.0.1": 200, "127.0.0.2:80": 200, "[::1]": 200, "[::1]:9464": 200,
		"evil.example.com": 421, "evil.example.com:9464": 421, "localhost.evil.example.com": 421, "127.0.0.1.evil.example.com": 421, "10.0.0.1": 421,
	} {
		for _, path := range []string{"/metrics", "/readyz", "/livez"} {
			if got := ask(t, "GET", url+path, host).status; got != want {
				t.Errorf("%s of %s: got %d, want %d", path, host, got, want)
			}
		}
	}
}

// TestOpsConnections: as many connections as there may be do not keep a probe from its answer.
func TestOpsConnections(t *testing.T) {
	url := startOps(t, false, isReady)
	for range 100 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, "GET /livez HTTP/1.1\r\n")
	}
	if got := get(t, url+"/livez").status; got != 200 {
		t.Errorf("got %d, want 200", got)
	}
}

// answer is the response to a request.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return ask(t, http.MethodGet, url, "")
}

// ask sends a request without a body, on a connection of its own. host is "" for that of the URL.
func ask(t *testing.T, method, url, host string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}
