package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// command runs the binary on a data directory of its own, and returns all that it wrote and its exit code.
func command(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	out, errs, code := bridge.Command(t, append([]string{"TREBLE_BRIDGE_DATA_DIR=" + t.TempDir()}, env...), args...)
	return out + errs, code
}

// checkCommands runs the commands beside the running bridge. What tail prints
// is the events, so only numbers and secrets are looked for there.
func (a *canaryBridge) checkCommands(t *testing.T) {
	env := append([]string{"TREBLE_BRIDGE_DATA_DIR=" + a.DataDir}, a.env...)
	for _, args := range [][]string{
		{"config", "check"}, {"config", "print"}, {"config", "print", "--json"}, {"health"}, {"version"},
	} {
		out, code := command(t, env, args...)
		if code != 0 {
			t.Errorf("%v: got exit code %d, want 0\n%s", args, code, out)
		}
		expectNone(t, strings.Join(args, " "), out, everyCanary()...)
	}
	for _, flag := range []string{"--session=", "--json", "--raw"} {
		out, code := command(t, env, "tail", "--no-follow", flag)
		if code != 0 || !personal.text.in(out) {
			t.Errorf("tail %s: got exit code %d, want 0 and the texts\n%.500s", flag, code, out)
		}
		expectNone(t, "tail "+flag, out, append(secrets(), personal.phone)...)
	}
	for _, flag := range []string{"--limit=0", "--json", "--raw", "1"} {
		out, code := command(t, env, "events", flag)
		if code != 0 {
			t.Errorf("events %s: got exit code %d, want 0\n%.500s", flag, code, out)
		}
		expectNone(t, "events "+flag, out, append(secrets(), personal.phone)...)
	}
	body := secretFile(t, "{"+aBody("sent"))
	out, code := command(t, env, "send", "--url", "http://"+a.Addrs.Ingress+"/webhook", "--file", body)
	if code != 1 {
		t.Errorf("send: got exit code %d, want 1\n%s", code, out)
	}
	expectNone(t, "send", out, everyCanary()...)
}

// TestCanaryWrongConfiguration: what is wrong with a secret is told without it.
func TestCanaryWrongConfiguration(t *testing.T) {
	t.Parallel()
	bad := secret.bearer.value
	good := "TREBLE_BRIDGE_AUTH_BEARER=" + secret.wrong.value
	file := func(text string) []string {
		return []string{"TREBLE_BRIDGE_CONFIG=" + secretFile(t, text)}
	}
	for _, c := range []struct {
		name string
		env  []string
		// A secret in a key that is for none: config print shows it, as typed.
		misplaced bool
	}{
		{name: "control-character", env: []string{"TREBLE_BRIDGE_AUTH_BEARER=" + bad + "\x01"}},
		{name: "empty-beside-another", env: []string{"TREBLE_BRIDGE_AUTH_BEARER=" + bad + ",,"}},
		{name: "both-on-and-off", env: []string{good, "TREBLE_BRIDGE_AUTH_DISABLED=true"}},
		{name: "header-without-name", env: []string{"TREBLE_BRIDGE_AUTH_HEADER_VALUES=" + bad}},
		{name: "header-line-as-name", env: []string{"TREBLE_BRIDGE_AUTH_HEADER_NAME=X-Door: " + bad, "TREBLE_BRIDGE_AUTH_HEADER_VALUES=" + bad}, misplaced: true},
		{name: "control-character-in-file", env: []string{"TREBLE_BRIDGE_AUTH_BEARER_FILE=" + secretFile(t, bad+"\x01")}},
		{name: "nats-url-port", env: []string{good, "TREBLE_BRIDGE_NATS_URL=nats://" + secret.nats.value + "@127.0.0.1:port"}},
		{name: "nats-url-slash", env: []string{good, "TREBLE_BRIDGE_NATS_URL=nats://" + bad + "@127.0.0.1"}},
		{name: "nats-url-slash-no-scheme", env: []string{good, "TREBLE_BRIDGE_NATS_URL=127.0.0.1, " + bad + "@127.0.0.1"}},
		{name: "nats-url-escape", env: []string{good, "TREBLE_BRIDGE_NATS_URL=nats://me:%zz" + secret.nats.value + "@127.0.0.1"}},
		{name: "nats-url-without-host", env: []string{good, "TREBLE_BRIDGE_NATS_URL=nats://" + secret.nats.value + "@"}},
		{name: "nats-url-scheme", env: []string{good, "TREBLE_BRIDGE_NATS_URL=ftp://me:" + secret.nats.value + "@127.0.0.1"}},
		{name: "nats-url-second", env: []string{good, "TREBLE_BRIDGE_NATS_URL=nats://127.0.0.1,ws://me:" + secret.nats.value + "@127.0.0.1"}},
		{name: "nats-token-two-lines", env: []string{good, "TREBLE_BRIDGE_NATS_EMBEDDED_TOKEN_FILE=" + secretFile(t, bad+"\n"+secret.nats.value), "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0"}},
		{name: "nats-token-twice", env: []string{good, "TREBLE_BRIDGE_NATS_TOKEN=" + secret.nats.value, "TREBLE_BRIDGE_NATS_PASSWORD=" + bad}},
		{name: "sources-not-yaml", env: []string{"TREBLE_BRIDGE_SOURCES=[{auth: " + bad}},
		{name: "sources-not-a-list", env: []string{"TREBLE_BRIDGE_SOURCES=" + bad}},
		{name: "sources-auth-not-a-group", env: []string{"TREBLE_BRIDGE_SOURCES=[{name: a, paths: [/a], auth: " + bad + "}]"}},
		{name: "sources-bearer-not-a-list", env: []string{"TREBLE_BRIDGE_SOURCES=[{name: a, paths: [/a], auth: {bearer: {" + bad + ": 1}}}]"}},
		{name: "sources-no-blank", env: []string{"TREBLE_BRIDGE_SOURCES=[{name: a, paths: [/a], auth: {bearer:" + bad + "}}]"}},
		{name: "file-not-yaml", env: file("auth:\n  bearer: [" + bad)},
		{name: "file-tab", env: file("auth:\n\tbearer: " + bad)},
		{name: "file-no-blank", env: file("auth: {bearer:" + bad + "}")},
		{name: "file-no-blank-in-block", env: file("auth:\n  bearer:" + bad)},
		{name: "file-auth-not-a-group", env: file("auth: " + bad)},
		{name: "file-bearer-not-a-list", env: file("auth: {bearer: {" + bad + ": 1}}")},
		{name: "file-no-blank-twice", env: file("auth: {bearer:" + bad + ", bearer:" + bad + "}")},
		{name: "file-bearer-twice", env: file("auth: {bearer: [" + bad + "], bearer: [" + bad + "]}")},
		{name: "file-header-not-a-group", env: file("auth: {header: " + bad + "}")},
		{name: "file-header-line", env: file("auth: {header: {X-Door: " + bad + "}}")},
		{name: "file-only-the-secret", env: file(bad)},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := append([]string{"TREBLE_BRIDGE_LOG_LEVEL=debug", "TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0"}, c.env...)
			out, code := command(t, env, "serve")
			if code != 1 {
				t.Errorf("serve: got exit code %d, want 1\n%s", code, out)
			}
			commands := [][]string{{"config", "check"}, {"send", "--url", "http://127.0.0.1:1/"}}
			if !c.misplaced {
				commands = append(commands, []string{"config", "print"}, []string{"config", "print", "--json"})
			}
			for _, args := range commands {
				more, _ := command(t, env, args...)
				out += more
			}
			expectNone(t, "the output", out, secrets()...)
		})
	}
}

// TestCanaryNATS: a NATS that is away or refuses the login is told of without
// the token; nor is the token of the embedded one told.
func TestCanaryNATS(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t)
	away := natstest.StartProxy(t, b.URL)
	b.Kill()
	refusing := startCanaryBridge(t, "json").proxy
	for _, c := range []struct{ name, env, until string }{
		{"away", "NATS_URL=nats://" + secret.nats.value + "@" + away.Addr(), "nats is away"},
		{"refuses", "NATS_URL=nats://me:" + secret.wrongNATS.value + "@" + refusing.Addr(), "uthorization"},
		{"token-apart", "NATS_TOKEN=" + secret.wrongNATS.value + " NATS_URL=" + refusing.Addr(), "uthorization"},
		{"embedded", "NATS_EMBEDDED_TOKEN=" + secret.embedded.value, "listening"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := []string{"LOG_LEVEL=debug", "AUTH_BEARER=" + secret.bearer.value, "DATA_DIR=" + t.TempDir(),
				"INGRESS_ADDR=127.0.0.1:0", "OPS_ADDR=127.0.0.1:0", "NATS_EMBEDDED_ADDR=127.0.0.1:0", "PUBLISHER_ACK=stream"}
			cmd := exec.Command(bridge.Binary(t), "serve")
			for _, v := range append(env, strings.Fields(c.env)...) {
				cmd.Env = append(cmd.Env, "TREBLE_BRIDGE_"+v)
			}
			p := bridge.Start(t, cmd)
			p.Await("the log tells of it", func(context.Context) error {
				if !strings.Contains(p.Output.String(), c.until) || !strings.Contains(p.Output.String(), "listening") {
					return fmt.Errorf("the log does not tell of %q", c.until)
				}
				return nil
			})
			p.Stop()
			expectNone(t, "the output", p.Output.String(), secrets()...)
		})
	}
}
