package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/containers"
)

// program is the bridge's binary, built when a test first asks for it.
type program struct {
	mu  sync.Mutex
	dir string
}

// path returns the path of the binary.
func (p *program) path(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "treble-bridge-test-")
		if err != nil {
			t.Fatal(err)
		}
		p.dir = dir
	}
	path := filepath.Join(p.dir, "treble-bridge")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, "./cmd/treble-bridge")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the bridge: %v\n%s", err, out)
	}
	return path
}

// Close removes the binary.
func (p *program) Close() error {
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// process is a running bridge with the embedded NATS, on free ports and with a
// data directory of its own.
type process struct {
	t        *testing.T
	dataDir  string
	addrFile string
	addrs    addresses
	cmd      *exec.Cmd
	ended    chan struct{} // closed when it has ended
	output   output
}

// addresses are those that a bridge has bound, as it writes them.
type addresses struct{ Ingress, Ops, NATS string }

// output keeps what a process writes; it is safe to read meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serve starts a bridge with more environment ("KEY=value") and returns when it
// is ready. The process ends with the test.
func serve(t *testing.T, env ...string) *process {
	t.Helper()
	p := launch(t, bridge.path(t), t.TempDir(), env...)
	p.ready()
	return p
}

// launch starts a bridge on a data directory and returns at once.
func launch(t *testing.T, path, dataDir string, env ...string) *process {
	t.Helper()
	p := &process{t: t, dataDir: dataDir, ended: make(chan struct{})}
	p.addrFile = filepath.Join(t.TempDir(), "addr.json")
	p.cmd = exec.Command(path, "serve", "--addr-file", p.addrFile)
	p.cmd.Env = append([]string{ // nothing of the developer's own
		"TREBLE_BRIDGE_DATA_DIR=" + p.dataDir,
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0",
		"TREBLE_BRIDGE_AUTH_BEARER=" + containers.Token,
	}, env...)
	p.start()
	return p
}

// ready waits until the bridge takes events.
func (p *process) ready() { p.t.Helper(); p.answers("/readyz") }

// listening waits until the bridge listens, whether it takes events or not.
func (p *process) listening() { p.t.Helper(); p.answers("/livez") }

// answers waits until the bridge answers 200 on a path of its ops listener.
func (p *process) answers(path string) {
	p.t.Helper()
	p.await("the bridge is well by "+path, func(ctx context.Context) error {
		b, err := os.ReadFile(p.addrFile)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &p.addrs); err != nil {
			return err
		}
		return expectOK(ctx, "http://"+p.addrs.Ops+path)
	})
}

// start starts the command. The process ends with the test.
func (p *process) start() {
	p.t.Helper()
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.ended)
	}()
	p.t.Cleanup(p.cleanup)
}

func (p *process) cleanup() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	if p.t.Failed() {
		p.t.Logf("the bridge wrote:\n%s", p.output.String())
	}
}

// await tries until try returns nil. It ends the test if the bridge ends.
func (p *process) await(what string, try func(context.Context) error) {
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

// terminate sends SIGTERM and returns the exit code.
func (p *process) terminate() int {
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

// expectOK returns an error unless a GET is answered 200.
func expectOK(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
