//go:build faults || soak

package faults

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

func readyAll(nodes []*containers.NATS) {
	for _, n := range nodes {
		n.Ready()
	}
}

// streamLeader returns the node that leads the stream, and waits until there is
// one, and the others follow it.
func streamLeader(t *testing.T, nodes []*containers.NATS) *containers.NATS {
	t.Helper()
	js := nodes[0].JetStream()
	var leader *containers.NATS
	bridge.Await(t, 30*time.Second, "the stream has a leader that all follow", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "TREBLE")
		if err != nil {
			return err
		}
		c := stream.CachedInfo().Cluster
		if !follow(c, len(nodes)) {
			return fmt.Errorf("%+v", c)
		}
		i := slices.IndexFunc(nodes, func(n *containers.NATS) bool { return n.URL() == "nats://"+c.Leader+":4222" })
		if i < 0 {
			return fmt.Errorf("%s leads", c.Leader)
		}
		leader = nodes[i]
		return nil
	})
	return leader
}

// follow reports whether a stream has a leader and as many replicas in all that are up
// to date.
func follow(c *jetstream.ClusterInfo, replicas int) bool {
	return c != nil && c.Leader != "" && len(c.Replicas) == replicas-1 &&
		!slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current })
}

// sameEverywhere makes each node the leader in turn, and wants the same from
// all: a copy that differs would show after the next fault.
func sameEverywhere(t *testing.T, nodes []*containers.NATS) {
	t.Helper()
	var first []string
	seen := map[*containers.NATS]bool{}
	for range 8 * len(nodes) {
		leader := streamLeader(t, nodes)
		if !seen[leader] {
			seen[leader] = true
			got := bridge.StreamSessions(t, nodes[0].JetStream())
			if first == nil {
				first = got
			}
			if !slices.Equal(got, first) {
				t.Errorf("a copy of the stream differs: %d events, the first one has %d", len(got), len(first))
			}
		}
		if len(seen) == len(nodes) {
			return
		}
		if _, err := nodes[0].JetStream().Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN.TREBLE", nil, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("only %d of %d nodes came to lead", len(seen), len(nodes))
}
