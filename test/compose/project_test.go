// Package compose starts the files of deployments/compose with Docker Compose,
// as users do. Compose is built from its Go module, in the module tool: its
// dependencies and those of testcontainers do not compile in one.
package compose

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

const (
	files = "../../deployments/compose"
	// commandTimeout bounds one command of Compose.
	commandTimeout = 2 * time.Minute
	// answerTimeout bounds the wait for a cluster that forms or finds a leader.
	answerTimeout = time.Minute
)

var (
	docker  = containers.New()
	compose = bridge.Program{Package: "github.com/docker/compose/v2/cmd", Module: "tool"}
)

func TestMain(m *testing.M) { bridge.Main(m, docker, &compose) }

// natsToken is a number to a careless reader of configuration.
const natsToken = "1234567890123456e5"

// project is a running Compose file with a project name of its own.
type project struct {
	t          *testing.T
	binary     string
	file, name string
	env        []string
}

// open prepares a project whose images are built here; ports are free ones.
// At the end of the test all of it is removed, its volumes too.
func open(t *testing.T, file string) *project {
	t.Helper()
	release, nats := docker.ReleaseImage(t), docker.NATSImage(t) // also skips without an engine
	p := &project{
		t: t, binary: compose.Path(t), file: filepath.Join(files, file),
		name: projectName(),
	}
	p.env = append(os.Environ(),
		"BRIDGE_IMAGE="+release, "NATS_IMAGE="+nats, "BRIDGE_PORT=", "NATS_PORT=",
		"BRIDGE_TOKEN="+bridge.Token, "NATS_TOKEN="+natsToken, "NATS_ROUTE_PASSWORD=34e5")
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.run(context.Background(), "logs", "--no-color", "--tail", "40")
			t.Logf("logs: %v\n%s", err, out)
		}
		if out, err := p.run(context.Background(), "down", "--volumes", "--remove-orphans", "--timeout", "30"); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
	})
	return p
}

// projectName is different for each project. After a test that was killed, the
// beginning tells what is to be removed.
func projectName() string {
	return strings.ToLower("treble-bridge-test-" + testcontainers.SessionID() + "-" + rand.Text()[:6])
}

// run runs one command of Compose.
func (p *project) run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, append([]string{"--project-name", p.name, "--file", p.file}, args...)...)
	cmd.Env = p.env
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// do runs a command that must succeed.
func (p *project) do(args ...string) string {
	p.t.Helper()
	out, err := p.run(p.t.Context(), args...)
	if err != nil {
		p.t.Fatalf("%s %v: %v\n%s", p.file, args, err, out)
	}
	return out
}

// up starts what does not run, and waits until the bridge is healthy.
func (p *project) up() {
	p.t.Helper()
	p.do("up", "--detach", "--wait", "--wait-timeout", "90", "--pull", "never")
}

// addr returns where a port of a service is published on this machine.
func (p *project) addr(service, port string) string {
	p.t.Helper()
	addr := strings.TrimSpace(p.do("port", service, port))
	if !strings.HasPrefix(addr, "127.0.0.1:") {
		p.t.Fatalf("port %s of %s: got %q, want it on 127.0.0.1 only", port, service, addr)
	}
	return addr
}

// jetstream connects to a service's NATS with the token.
func (p *project) jetstream(service string) jetstream.JetStream {
	p.t.Helper()
	return natstest.Connect(p.t, "nats://"+p.addr(service, "4222"), nats.Token(natsToken),
		nats.RetryOnFailedConnect(true), nats.ReconnectWait(200*time.Millisecond))
}
