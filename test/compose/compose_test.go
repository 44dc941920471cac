package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// sent are the sessions of the events that the bridge has answered 200.
type sent map[string]bool

// send posts n events, each of a session of its own, and wants 200 for each.
func (s sent) send(t *testing.T, p *project, n int) {
	t.Helper()
	url := "http://" + p.addr("bridge", "8080") + "/webhook"
	client := &http.Client{Timeout: 10 * time.Second}
	for range n {
		session := fmt.Sprintf("compose-%d", len(s))
		body := fmt.Sprintf(`{"session_id": %q, "conversation_id": 34820, "country_code": "+57", "cellphone": "3000000000",
			"question": {"type": "open", "text": "Hello!"}, "sent_text": "Hello!",
			"sent_at": "2026-01-01 09:00:00.5", "read_at": "2026-01-01 09:00:02"}`, session)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("event %d: got %s, want 200", len(s), resp.Status)
		}
		s[session] = true
	}
}

// readBack reads the stream until all is there, and wants each event once.
func (s sent) readBack(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	for info := streamOf(ctx, t, js); info.State.Msgs < uint64(len(s)); info = streamOf(ctx, t, js) {
		pause(ctx, t, fmt.Sprintf("%d of %d events are in the stream", info.State.Msgs, len(s)))
	}
	seen, err := readAll(ctx, js)
	for ; err != nil; seen, err = readAll(ctx, js) { // between two leaders nobody answers
		pause(ctx, t, "the stream is read: "+err.Error())
	}
	for session := range s {
		if n := seen[session]; n != 1 {
			t.Errorf("session %s: got %d events, want 1", session, n)
		}
	}
	if len(seen) != len(s) {
		t.Errorf("got events of %d sessions, want %d", len(seen), len(s))
	}
	t.Logf("%d events sent, %d sessions read back", len(s), len(seen))
}

// readAll reads the stream from its beginning to its end of now, and counts the
// events of each session.
func readAll(ctx context.Context, js jetstream.JetStream) (map[string]int, error) {
	stream, err := js.Stream(ctx, "TREBLE")
	if err != nil {
		return nil, err
	}
	consumer, err := js.OrderedConsumer(ctx, "TREBLE", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for range stream.CachedInfo().State.Msgs {
		msg, err := consumer.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			return nil, err
		}
		var event struct{ Subject string }
		if err := json.Unmarshal(msg.Data(), &event); err != nil {
			return nil, err
		}
		seen[event.Subject]++
	}
	return seen, nil
}

// streamOf returns the event stream, as soon as somebody answers.
func streamOf(ctx context.Context, t *testing.T, js jetstream.JetStream) *jetstream.StreamInfo {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		ask, stop := context.WithTimeout(ctx, 2*time.Second)
		stream, err := js.Stream(ask, "TREBLE")
		stop()
		if err == nil {
			return stream.CachedInfo()
		}
		pause(ctx, t, "the stream answers: "+err.Error())
	}
}

// pause waits a little before the next try.
func pause(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	select {
	case <-ctx.Done():
		t.Fatalf("waiting until %s", what)
	case <-time.After(100 * time.Millisecond):
	}
}

// TestCluster sends events while each of the servers is killed once, the leader
// of the stream among them, and reads all back.
func TestCluster(t *testing.T) {
	p := open(t, "compose.yaml")
	p.up()
	events := sent{}
	events.send(t, p, 20)
	info := streamOf(t.Context(), t, p.jetstream("nats-1"))
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
	streamOf(t.Context(), t, p.jetstream("nats-1"))
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
	module := read(t, "../../go.mod")
	want := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)\.`).FindStringSubmatch(module)
	got := regexp.MustCompile(`NATS_IMAGE:-nats:(\d+\.\d+)-`).FindStringSubmatch(read(t, filepath.Join(files, "compose.yaml")))
	if want == nil || got == nil || got[1] != want[1] {
		t.Errorf("compose.yaml: got the image of nats %v, want version %v as in go.mod", got, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
