package compose

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// sent are the sessions of the events that the bridge has answered 200.
type sent []string

// send posts n events, each of a session of its own, and wants 200 for each.
func (s *sent) send(t *testing.T, p *project, n int) {
	t.Helper()
	for range n {
		session := fmt.Sprintf("compose-%d", len(*s))
		r, err := bridge.Request{Body: bridge.ReadEvent(session, len(*s), 20)}.Send(p.addr("bridge", "8080"))
		if err != nil {
			t.Fatal(err)
		}
		r.Accepted(t)
		*s = append(*s, session)
	}
}

// readBack reads the stream until all is there, and wants each event once.
func (s sent) readBack(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	bridge.Await(t, answerTimeout, "all events are in the stream", func(ctx context.Context) error {
		stream, err := js.Stream(ctx, "TREBLE")
		if err != nil {
			return err // between two leaders nobody answers
		}
		if n := stream.CachedInfo().State.Msgs; n < uint64(len(s)) {
			return fmt.Errorf("%d of %d", n, len(s))
		}
		return nil
	})
	got := bridge.StreamSessions(t, js)
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(s))) {
		t.Errorf("the stream and what was sent differ:\n%s", bridge.Diff(got, s))
	}
	t.Logf("%d events sent, %d read back", len(s), len(got))
}

// TestCluster sends events while each of the servers is killed once, the leader
// of the stream among them, and reads all back.
func TestCluster(t *testing.T) {
	p := open(t, "compose.yaml")
	p.up()
	events := sent{}
	events.send(t, p, 20)
	js := p.jetstream("nats-1")
	var info *jetstream.StreamInfo
	bridge.Await(t, answerTimeout, "the stream answers", func(ctx context.Context) error {
		stream, err := js.Stream(ctx, "TREBLE")
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	if info.Config.Replicas != 3 {
		t.Errorf("got %d copies of the stream, want 3", info.Config.Replicas)
	}
	leader := info.Cluster.Leader
	for _, node := range []string{leader, other(leader)} {
		p.do("kill", node)
		events.send(t, p, 20)
		if p.do("ps", "--status", "exited", "--quiet", node) == "" {
			t.Errorf("%s came back by itself: the events met a whole cluster", node)
		}
		p.up()
	}
	events.readBack(t, p.jetstream("nats-1"))

	// The containers end cleanly, are made again, and have it all.
	p.do("down", "--timeout", "30")
	p.up()
	events.send(t, p, 1)
	events.readBack(t, p.jetstream("nats-1"))
}

// other returns a server that is not the given one.
func other(node string) string {
	if node == "nats-3" {
		return "nats-2"
	}
	return "nats-3"
}

// TestEmbedded does the same with one process.
func TestEmbedded(t *testing.T) {
	p := open(t, "embedded.yaml")
	p.up()
	events := sent{}
	events.send(t, p, 20)
	p.do("kill", "bridge")
	p.up()
	events.send(t, p, 20)
	p.do("down", "--timeout", "30")
	p.up()
	events.send(t, p, 1)
	events.readBack(t, p.jetstream("bridge"))
}

// TestSecretsAreRequired: without one nothing starts, and Compose says which.
func TestSecretsAreRequired(t *testing.T) {
	for file, secrets := range map[string][]string{
		"compose.yaml":  {"BRIDGE_TOKEN", "NATS_TOKEN", "NATS_ROUTE_PASSWORD"},
		"embedded.yaml": {"BRIDGE_TOKEN", "NATS_TOKEN"},
	} {
		for _, secret := range secrets {
			t.Run(file+"/"+secret, func(t *testing.T) {
				p := open(t, file)
				env := p.env
				p.env = append(env[:len(env):len(env)], secret+"=")
				out, err := p.run(t.Context(), "config", "--quiet")
				p.env = env
				if err == nil || !strings.Contains(out, secret) || !strings.Contains(out, "openssl rand") {
					t.Errorf("got %v and %q, want a refusal that names %s", err, out, secret)
				}
			})
		}
	}
}

// TestNATSVersion: the image is of the version that the bridge is tested with.
func TestNATSVersion(t *testing.T) {
	module := bridge.ReadFile(t, "../../go.mod")
	want := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)\.`).FindStringSubmatch(module)
	got := regexp.MustCompile(`NATS_IMAGE:-nats:(\d+\.\d+)-`).FindStringSubmatch(bridge.ReadFile(t, filepath.Join(files, "compose.yaml")))
	if want == nil || got == nil || got[1] != want[1] {
		t.Errorf("compose.yaml: got the image of nats %v, want version %v as in go.mod", got, want)
	}
}
