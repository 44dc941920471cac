package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	corev1 "k8s.io/api/core/v1"
)

// TestProbes starts the real binary with what its pod would find, and asks what
// the probes ask, with NATS and without.
func TestProbes(t *testing.T) {
	for _, tt := range []struct{ shape, without string }{
		{"standalone", "200 degraded"}, // the journal takes the events
		{"stateless", "503 unready"},
		{"sidecar", "503 unready"},
		{"embedded", ""},
	} {
		t.Run(tt.shape, func(t *testing.T) {
			t.Parallel()
			o := install(t, over(t, tt.shape, "{}"))
			broker := startNATS(t)
			b := startBridge(t, o, kubelet(t, o, "nats://nats:4222", broker.ClientURL()))
			bridge := o.bridge()
			b.await(bridge.StartupProbe, "200 alive")
			b.await(bridge.LivenessProbe, "200 alive")
			b.await(bridge.ReadinessProbe, "200 ready")
			b.post(o)
			if tt.without != "" {
				broker.Shutdown()
				b.await(bridge.ReadinessProbe, tt.without)
				b.await(bridge.LivenessProbe, "200 alive")
			}
			b.terminate()
		})
	}
}

func startNATS(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

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

// await asks what a probe asks until the answer's status and state are these.
func (p *process) await(probe *corev1.Probe, want string) {
	p.t.Helper()
	get := probe.HTTPGet
	if get == nil || get.Port.StrVal != "treble-ops" || get.Scheme == corev1.URISchemeHTTPS {
		p.t.Fatalf("the probe %v does not ask the ops port", probe)
	}
	p.until(get.Path+" says "+want, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addrs.Ops+get.Path, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var answer struct{ Status string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return fmt.Errorf("%s: %w", resp.Status, err)
		}
		if got := fmt.Sprint(resp.StatusCode, " ", answer.Status); got != want {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
}

// post delivers an event with the secret that the chart was given.
func (p *process) post(o *objects) {
	p.t.Helper()
	secret := secretOf
	for name, s := range o.secrets {
		if strings.HasSuffix(name, "-auth") {
			secret = s.StringData["tokens"]
		}
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.addrs.Ingress+"/webhook", strings.NewReader(`{"hello": "world"}`))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.t.Errorf("POST /webhook: got %s, want 200", resp.Status)
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
