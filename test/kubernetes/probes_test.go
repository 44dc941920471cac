package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
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
			broker := natstest.Start(t)
			b := startBridge(t, o, kubelet(t, o, "nats://nats:4222", broker.ClientURL()))
			container := o.bridge()
			b.await(container.StartupProbe, "200 alive")
			b.await(container.LivenessProbe, "200 alive")
			b.await(container.ReadinessProbe, "200 ready")
			b.post(o)
			if tt.without != "" {
				broker.Kill()
				b.await(container.ReadinessProbe, tt.without)
				b.await(container.LivenessProbe, "200 alive")
			}
			b.Stop()
		})
	}
}

// process is a running bridge. In place of the ports of the pod it has free ones.
type process struct {
	*bridge.Process
	t *testing.T
}

func startBridge(t *testing.T, o *objects, n *node) *process {
	t.Helper()
	addrFile := filepath.Join(t.TempDir(), "addr.json")
	cmd := exec.Command(bridge.Binary(t), append(o.bridge().Args, "--addr-file", addrFile)...)
	cmd.Env = append(n.env, "TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0")
	p := &process{bridge.Start(t, cmd), t}
	p.AddrFile = addrFile
	p.Listening()
	return p
}

// await asks what a probe asks until the answer's status and state are these.
func (p *process) await(probe *corev1.Probe, want string) {
	p.t.Helper()
	get := probe.HTTPGet
	if get == nil || get.Port.StrVal != "treble-ops" || get.Scheme == corev1.URISchemeHTTPS {
		p.t.Fatalf("the probe %v does not ask the ops port", probe)
	}
	p.Await(get.Path+" says "+want, func(ctx context.Context) error {
		reply, err := bridge.Get(ctx, p.OpsURL(get.Path))
		if err != nil {
			return err
		}
		var answer struct{ Status string }
		if err := json.Unmarshal([]byte(reply.Body), &answer); err != nil {
			return fmt.Errorf("%d %s: %w", reply.Status, reply.Body, err)
		}
		if got := fmt.Sprint(reply.Status, " ", answer.Status); got != want {
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
	p.Post(p.t, bridge.Request{Body: `{"hello": "world"}`, Header: map[string]string{"Authorization": "Bearer " + secret}}).Accepted(p.t)
}
