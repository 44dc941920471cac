package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running bridge. In place of the ports of the pod it has free ones.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex // guards log
	log   bytes.Buffer
	addrs struct{ Ingress, Ops string }
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func startBridge(t *testing.T, o *objects, n *node) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan struct{})}
	file := filepath.Join(t.TempDir(), "addr.json")
	p.cmd = exec.Command(binary, append(o.bridge().Args, "--addr-file", file)...)
	p.cmd.Env = append(n.env, "TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended already
		<-p.ended
		if t.Failed() {
			t.Logf("the bridge wrote:\n%s", p.log.String())
		}
	})
	p.until("it has bound its addresses", func(context.Context) error {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, &p.addrs)
	})
	return p
}

// until tries until try returns nil.
func (p *process) until(what string, try func(context.Context) error) {
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
			p.t.Fatalf("waiting until %s: the bridge ended with %d", what, p.cmd.ProcessState.ExitCode())
		case <-ctx.Done():
			p.t.Fatalf("waiting until %s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// terminate ends the bridge as a kubelet does.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the bridge did not end within 30 s of SIGTERM")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("SIGTERM: got exit code %d, want 0", code)
	}
}
