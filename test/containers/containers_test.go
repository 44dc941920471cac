package containers

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

var docker = New()

// TestMain also proves that every test removed what it started.
func TestMain(m *testing.M) { bridge.Main(m, docker) }

// publish stores n messages, and returns how many the stream holds then.
func publish(t *testing.T, s *NATS, n int) uint64 {
	t.Helper()
	js := s.JetStream()
	stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "TEST", Subjects: []string{"test"}, Replicas: s.nodes})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := js.Publish(t.Context(), "test", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestStoreOutlivesTheServer(t *testing.T) {
	t.Parallel()
	nats := docker.Network(t).NATS()
	want := publish(t, nats, 10)

	for _, end := range []struct {
		name string
		do   func()
	}{{"stop", nats.Stop}, {"kill", nats.Kill}} {
		end.do()
		nats.Start()
		nats.Ready()
		if got := publish(t, nats, 0); got != want {
			t.Errorf("after %s and start: got %d messages, want %d", end.name, got, want)
		}
	}
}

func TestRestoreForgets(t *testing.T) {
	t.Parallel()
	nats := docker.Network(t).NATS()
	want := publish(t, nats, 10)
	older := nats.Snapshot()
	publish(t, nats, 10)

	nats.Restore(older)
	if got := publish(t, nats, 0); got != want {
		t.Errorf("after putting an older store back: got %d messages, want %d", got, want)
	}
}

func TestPauseFreezes(t *testing.T) {
	t.Parallel()
	nats := docker.Network(t).NATS()
	nc := nats.JetStream().Conn()

	nats.Pause()
	if err := nc.FlushTimeout(300 * time.Millisecond); err == nil {
		t.Error("paused: got an answer, want none")
	}
	nats.Unpause()
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Errorf("unpaused: got %v, want an answer on the same connection", err)
	}
}

func TestClusterSurvivesNodes(t *testing.T) {
	t.Parallel()
	network := docker.Network(t)
	nodes := network.Cluster(3)
	if got := publish(t, nodes[0], 10); got != 10 {
		t.Fatalf("got %d messages, want 10", got)
	}

	for _, fault := range []struct {
		name     string
		begin    func()
		end      func()
		expected uint64
	}{
		{"kill", nodes[2].Kill, nodes[2].Start, 11},
		{"cut", func() { network.Cut(nodes[1].Container) }, func() { network.Join(nodes[1].Container) }, 12},
	} {
		fault.begin()
		publishOne(t, nodes[0])
		fault.end()
		for _, n := range nodes {
			n.Ready()
		}
		if got := publish(t, nodes[0], 0); got != fault.expected {
			t.Errorf("%s of a node: got %d messages, want %d", fault.name, got, fault.expected)
		}
	}
}

// publishOne stores one message, if need be after a new leader is found.
func publishOne(t *testing.T, s *NATS) {
	t.Helper()
	js := s.JetStream()
	id := rand.Text() // the same for every try, so that it is stored once
	bridge.Await(t, readyTimeout, "two of three nodes take a message", func(ctx context.Context) error {
		_, err := js.Publish(ctx, "test", []byte("x"), jetstream.WithMsgID(id))
		return err
	})
}
