package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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
