package kubernetes

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

func TestMain(m *testing.M) { bridge.Main(m) }

// TestConfigCheck gives every ConfigMap, with the Secrets and paths of its pod,
// to the real binary.
func TestConfigCheck(t *testing.T) {
	each(t, func(t *testing.T, o *objects) {
		n := kubelet(t, o)
		out, errs, code := bridge.Command(t, n.env, "config", "check")
		if code != 0 {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
		text := out + errs
		for _, expected := range expectedWarnings(n.load(t)) {
			if strings.Count(text, "warning: "+expected) != 1 {
				t.Errorf("want the warning %q once:\n%s", expected, errs)
			}
			text = strings.Replace(text, "warning: "+expected, "", 1)
		}
		if strings.Contains(text, "warning") {
			t.Error(text)
		}
	})
}

// expectedWarnings are those that a configuration of the chart deserves, each by how it begins.
func expectedWarnings(c *config.Config) (all []string) {
	if c.NATS.URL == "" { // its clients are other pods, and the chart knows no certificate for it
		all = append(all, "nats.embedded.allow_plaintext: true: ")
	}
	if c.Auth.Disabled {
		all = append(all, "auth.disabled: ")
	}
	plain := func(url string) bool { return !strings.HasPrefix(url, "tls://") && !strings.HasPrefix(url, "wss://") }
	secret := c.NATS.TokenFile != "" || c.NATS.PasswordFile != ""
	if c.NATS.URL != "" && secret && slices.ContainsFunc(strings.Split(c.NATS.URL, ","), plain) {
		all = append(all, "nats.url: the secret goes to ")
	}
	return all
}

// checkPorts: the ports of the container are those of the configuration, and
// reachable from outside the pod.
func checkPorts(o *objects, c *config.Config) (problems []string) {
	want := map[string]string{"treble-http": c.Ingress.Addr, "treble-ops": c.Ops.Addr}
	if c.NATS.URL == "" {
		want["treble-nats"] = c.NATS.Embedded.Addr
	}
	ports := containerPorts(o)
	for name, addr := range want {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host != "" || port != fmt.Sprint(ports[name]) {
			problems = append(problems, fmt.Sprintf("port %s is %d, and the bridge listens on %q", name, ports[name], addr))
		}
	}
	if len(ports) != len(want) {
		problems = append(problems, fmt.Sprintf("got the ports %v, want those of %v", ports, want))
	}
	if problems == nil && o.network != nil {
		problems = checkEgress(o, c)
	}
	return problems
}

// checkEgress: the NetworkPolicy lets the bridge reach every server of nats.url.
func checkEgress(o *objects, c *config.Config) (problems []string) {
	open := map[string]bool{}
	for _, rule := range o.network.Spec.Egress {
		for _, p := range rule.Ports {
			open[p.Port.String()] = true
		}
	}
	if !open["53"] {
		problems = append(problems, "NetworkPolicy: no way out to the DNS")
	}
	for url := range strings.SplitSeq(c.NATS.URL, ",") {
		_, port, err := net.SplitHostPort(url[strings.LastIndex(url, "/")+1:])
		if err != nil {
			port = map[bool]string{true: "443", false: "4222"}[strings.HasPrefix(url, "wss:")]
		}
		if url != "" && !open[port] {
			problems = append(problems, fmt.Sprintf("NetworkPolicy: no way out to port %s of %s", port, url))
		}
	}
	return problems
}
