package clitest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/quarantine"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/serve"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// Secret lets requests in at the bridges of Config.
const Secret = "a-secret-of-the-tests"

// Config is a bridge on free ports, with everything in a directory that
// goes away.
func Config(t *testing.T) *config.Config { return ConfigIn(t.TempDir()) }

// ConfigIn is Config in a directory that may hold what another bridge left.
func ConfigIn(dir string) *config.Config {
	c := config.Default()
	c.DataDir = dir
	c.Ingress.Addr, c.Ops.Addr, c.NATS.Embedded.Addr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Auth.Bearer = []value.Secret{Secret}
	c.Log.Level = "debug"
	return &c
}

// NATSURL is the URL of the embedded NATS of the bridge that runs on a data directory, with its token.
func NATSURL(t *testing.T, dir string) string {
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

// Running is a bridge in this process.
type Running struct {
	*serve.Bridge
	Config *config.Config
	Logs   *natstest.LogBuffer
	cancel context.CancelFunc
	ended  chan error
}

// Start runs a bridge that serves when it returns. Stop it.
func Start(t *testing.T, c *config.Config) *Running {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatalf("configuration: %v", err)
	}
	logs := &natstest.LogBuffer{}
	log, level := cli.NewLevelLogger(c.Log, logs)
	b, err := serve.Open(t.Context(), c, "test", log, level)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{b, c, logs, cancel, make(chan error, 1)}
	if err := b.Announce(c, ""); err != nil {
		t.Fatalf("announce: %v", err)
	}
	go func() { r.ended <- b.Run(ctx) }()
	return r
}

// Stop ends it, and fails the test if that is not clean.
func (r *Running) Stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("run: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.Config.ShutdownTimeout)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Post posts a body as Treble would, and returns the status.
func (r *Running) Post(t *testing.T, body string) int {
	t.Helper()
	return Post(t, "http://"+r.Addrs().Ingress+"/webhook", Secret, body)
}

// Post posts a body with a bearer token, or without one, and returns the status.
func Post(t *testing.T, url, token, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Ops returns what the ops listener at an address answers.
func Ops(t *testing.T, addr, path string) (status int, body string) {
	t.Helper()
	status, b, err := cli.GetOps(t.Context(), "http://"+addr+path)
	if err != nil {
		t.Fatal(err)
	}
	return status, string(b)
}

// Metrics returns what the bridge's /metrics shows.
func (r *Running) Metrics(t *testing.T) string {
	t.Helper()
	_, text := Ops(t, r.Addrs().Ops, "/metrics")
	return text
}

// Command runs a command on the data directory and returns what it printed.
func (r *Running) Command(t *testing.T, want int, args ...string) (out, errs string) {
	t.Helper()
	return Exits(t, want, "", append(args[:len(args):len(args)], "--data-dir", r.Config.DataDir)...)
}

// Sample returns the body of a built-in sample.
func Sample(t *testing.T, name string) string {
	t.Helper()
	body, err := webhook.Sample(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// File writes a file that goes away with the test, and returns its path.
func File(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// CheckLeaks fails the test if goroutines are left that it started.
func CheckLeaks(t *testing.T) {
	here := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, here) })
}

// Reads reports whether so many bytes can be read.
func Reads(r io.Reader, into []byte) bool {
	_, err := io.ReadFull(r, into)
	return err == nil
}

// Refuse posts bodies that are refused, and returns their ids in the quarantine.
func (r *Running) Refuse(t *testing.T, bodies ...string) []string {
	t.Helper()
	for _, b := range bodies {
		if got := r.Post(t, b); got/100 != 4 {
			t.Fatalf("%.60s: got %d, want it refused", b, got)
		}
	}
	var ids []string
	natstest.Eventually(t, "they are in the quarantine", func() bool {
		out, _ := r.Command(t, cli.ExitFine, "quarantine", "list", "--json")
		ids = nil
		for line := range strings.Lines(out) {
			var v quarantine.BodyJSON
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, v.ID)
		}
		return len(ids) == len(bodies)
	})
	return ids
}
