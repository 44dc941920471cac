// Package bridge starts the real bridge for tests, posts to it, and reads what comes out.
package bridge

import (
	"cmp"
	"context"
	"encoding/json"
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
)

// Program is a command that is built when a test first asks for it. Close removes it.
type Program struct {
	Package string
	Module  string // directory of the module; "" for this one

	once sync.Once
	dir  string // "" if it was not built
	err  error
}

// Path returns the path of the program, which the first call builds.
func (p *Program) Path(t *testing.T) string {
	t.Helper()
	p.once.Do(func() {
		if p.dir, p.err = os.MkdirTemp("", "treble-bridge-test-"); p.err == nil {
			p.err = Build(cmp.Or(p.Module, Root), p.path(), p.Package)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path()
}

func (p *Program) path() string { return filepath.Join(p.dir, filepath.Base(p.Package)) }

// Close removes the program.
func (p *Program) Close() error { return os.RemoveAll(p.dir) }

// Build builds a command of a module, with more environment.
func Build(module, out, pkg string, env ...string) error {
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

var daemon = Program{Package: "./cmd/treble-bridge"}

// Binary returns the path of the bridge's binary.
func Binary(t *testing.T) string { t.Helper(); return daemon.Path(t) }

// Main runs the tests of a package, removes the bridge's binary and closes what they
// share. It does not return.
func Main(m *testing.M, shared ...io.Closer) {
	code := m.Run()
	for _, c := range append(shared, &daemon) {
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "test:", err)
			code = 1
		}
	}
	os.Exit(code)
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

// Token is the bearer token that a bridge takes unless its environment says otherwise.
const Token = "a-token-for-the-tests"

// Serve starts a bridge with more environment ("KEY=value") and returns when it
// is ready. The process ends with the test.
func Serve(t *testing.T, env ...string) *Process {
	t.Helper()
	return ServeOn(t, t.TempDir(), env...)
}

// ServeOn is Serve on a data directory.
func ServeOn(t *testing.T, dataDir string, env ...string) *Process {
	t.Helper()
	p := Launch(t, dataDir, env...)
	p.Ready()
	return p
}

// Launch starts a bridge on a data directory and returns at once.
func Launch(t *testing.T, dataDir string, env ...string) *Process {
	t.Helper()
	return LaunchBinary(t, Binary(t), dataDir, env...)
}

// LaunchBinary is Launch for a binary of another version.
func LaunchBinary(t *testing.T, path, dataDir string, env ...string) *Process {
	t.Helper()
	addrFile := filepath.Join(t.TempDir(), "addr.json")
	cmd := exec.Command(path, "serve", "--addr-file", addrFile)
	cmd.Env = append([]string{ // nothing of the developer's own
		"TREBLE_BRIDGE_DATA_DIR=" + dataDir,
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_AUTH_BEARER=" + Token,
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
		return ExpectStatus(ctx, p.OpsURL(path), http.StatusOK)
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

// Addr is the address of the public listener.
func (p *Process) Addr() string { return p.Addrs.Ingress }

// OpsURL returns an address of the listener for operators.
func (p *Process) OpsURL(path string) string { return "http://" + p.Addrs.Ops + path }

// PID is that of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

func (p *Process) cleanup() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	if p.t.Failed() {
		p.t.Logf("%s wrote:\n%s", filepath.Base(p.cmd.Path), p.Output.String())
	}
}

// Await waits until try returns nil. It ends the test if the process ends.
func (p *Process) Await(what string, try func(context.Context) error) {
	p.t.Helper()
	Await(p.t, 30*time.Second, what, func(ctx context.Context) error {
		err := try(ctx)
		select {
		case <-p.ended:
			if err != nil {
				err = fmt.Errorf("%w with exit code %d", ErrEnded, p.cmd.ProcessState.ExitCode())
			}
		default:
		}
		return err
	})
}

// Stop sends SIGTERM and wants a clean end.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.ExitCode(); code != 0 {
		p.t.Errorf("after SIGTERM: got exit code %d, want 0", code)
	}
}

// Kill sends SIGKILL and waits for the end.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v: %v; it wrote:\n%s", s, err, p.Output.String())
	}
}

// ExitCode waits for the end, without a signal of its own: a second one would
// end the bridge at once.
func (p *Process) ExitCode() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the process did not end within 30s")
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Memory returns a figure of /proc/<pid>/status in bytes, such as VmHWM, the most that the process has had.
// It is 0 where Linux does not tell, and after the end of the process.
func (p *Process) Memory(name string) (bytes int64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	for line := range strings.Lines(string(b)) {
		if n, _ := fmt.Sscanf(line, name+": %d kB", &bytes); n == 1 {
			return bytes << 10
		}
	}
	return 0
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
	reply, err := Get(ctx, p.OpsURL("/readyz"))
	if err == nil {
		err = json.Unmarshal([]byte(reply.Body), &r)
	}
	if err != nil {
		return ReadinessAnswer{Status: err.Error()}
	}
	return r
}
