// Package bridge starts the real bridge for tests, posts to it, and reads what comes out.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// buildResult is the bridge's binary, built when a test first asks for it.
type buildResult struct {
	once sync.Once
	dir  string // "" if it was not built
	err  error
}

var program buildResult

func (b *buildResult) build() {
	if b.dir, b.err = os.MkdirTemp("", "treble-bridge-test-"); b.err != nil {
		return
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", b.dir, "./cmd/treble-bridge")
	cmd.Dir = Root
	if out, err := cmd.CombinedOutput(); err != nil {
		b.err = fmt.Errorf("build the bridge: %w\n%s", err, out)
	}
}

// Close removes the binary.
func (b *buildResult) Close() error { return os.RemoveAll(b.dir) }

// Main runs the tests of a package, removes the bridge's binary and closes what they
// share. It does not return.
func Main(m *testing.M, shared ...io.Closer) {
	code := m.Run()
	for _, c := range append(shared, &program) {
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "test:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Binary returns the path of the bridge's binary, which it builds if nobody has asked before.
func Binary(t *testing.T) string {
	t.Helper()
	program.once.Do(program.build)
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "treble-bridge")
}

// Process is a running bridge with the embedded NATS, on free ports and with a
// data directory of its own.
type Process struct {
	t        *testing.T
	DataDir  string
	AddrFile string
	Addrs    Addresses
	cmd      *exec.Cmd
	ended    chan struct{}      // closed when it has ended
	Output   natstest.LogBuffer // what it writes
}

// Addresses are those that a bridge has bound, as it writes them.
type Addresses struct{ Ingress, Ops, NATS string }

// Serve starts a bridge with more environment ("KEY=value") and returns when it
// is ready. The process ends with the test.
func Serve(t *testing.T, env ...string) *Process {
	t.Helper()
	p := Launch(t, Binary(t), t.TempDir(), env...)
	p.Ready()
	return p
}

// Launch starts a bridge on a data directory and returns at once.
func Launch(t *testing.T, path, dataDir string, env ...string) *Process {
	t.Helper()
	addrFile := filepath.Join(t.TempDir(), "addr.json")
	cmd := exec.Command(path, "serve", "--addr-file", addrFile)
	cmd.Env = append([]string{ // nothing of the developer's own
		"TREBLE_BRIDGE_DATA_DIR=" + dataDir,
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_AUTH_BEARER=" + containers.Token,
	}, env...)
	p := Start(t, cmd)
	p.DataDir, p.AddrFile = dataDir, addrFile
	return p
}

// Ready waits until the bridge takes events.
func (p *Process) Ready() { p.t.Helper(); p.answers("/readyz") }

// Listening waits until the bridge listens, whether it takes events or not.
func (p *Process) Listening() { p.t.Helper(); p.answers("/livez") }

// answers waits until the bridge answers 200 on a path of its ops listener.
func (p *Process) answers(path string) {
	p.t.Helper()
	p.Await("the bridge is well by "+path, func(ctx context.Context) error {
		b, err := os.ReadFile(p.AddrFile)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &p.Addrs); err != nil {
			return err
		}
		return ExpectStatus(ctx, "http://"+p.Addrs.Ops+path, http.StatusOK)
	})
}

// Start starts a command. The process ends with the test.
func Start(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(p.cleanup)
	return p
}

// PID is that of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) cleanup() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	if p.t.Failed() {
		p.t.Logf("the bridge wrote:\n%s", p.Output.String())
	}
}

// Await tries until try returns nil. It ends the test if the bridge ends.
func (p *Process) Await(what string, try func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("waiting until %s: the bridge ended with exit code %d", what, p.cmd.ProcessState.ExitCode())
		case <-ctx.Done():
			p.t.Fatalf("waiting until %s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Terminate sends SIGTERM and returns the exit code.
func (p *Process) Terminate() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the bridge did not end within 30s of SIGTERM")
	}
	return p.cmd.ProcessState.ExitCode()
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatalf("kill: %v; it wrote:\n%s", err, p.Output.String())
	}
	<-p.ended
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// ExitCode waits for the end, without a signal of its own: a second one would
// end the bridge at once.
func (p *Process) ExitCode() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the bridge did not end within 30s")
	}
	return p.cmd.ProcessState.ExitCode()
}

// NATSToken is the token that the bridge has made for its embedded NATS.
func (p *Process) NATSToken(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(ReadFile(t, filepath.Join(p.DataDir, "nats-token")))
}

// NATSURL is the URL of the embedded NATS, with its token.
func (p *Process) NATSURL(t *testing.T) string {
	t.Helper()
	return "nats://" + p.NATSToken(t) + "@" + p.Addrs.NATS
}

// JetStream connects to the embedded NATS.
func (p *Process) JetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	return natstest.Connect(t, p.NATSURL(t))
}

// Published waits until nothing is pending in the journal.
func (p *Process) Published(t *testing.T) {
	t.Helper()
	p.Await("everything is published", func(ctx context.Context) error {
		for _, name := range []string{"treble_bridge_pending_events", "treble_bridge_unaccounted_events"} {
			if n := p.Metrics(t)[name]; n != 0 {
				return fmt.Errorf("%s is %v", name, n)
			}
		}
		return nil
	})
}

// ReadinessAnswer is the answer of /readyz.
type ReadinessAnswer struct {
	Status  string
	Reasons []string
}

func (r ReadinessAnswer) String() string { return r.Status + ": " + strings.Join(r.Reasons, "; ") }

// Readiness reads /readyz; an error shows as its status.
func (p *Process) Readiness(ctx context.Context) (r ReadinessAnswer) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Addrs.Ops+"/readyz", nil)
	if err == nil {
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			defer resp.Body.Close()
			err = json.NewDecoder(resp.Body).Decode(&r)
		}
	}
	if err != nil {
		return ReadinessAnswer{Status: err.Error()}
	}
	return r
}
