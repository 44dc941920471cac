//go:build faults

package test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/test/containers"
)

// TestFaultsCluster runs three nats-servers with three copies of the stream,
// and takes the leader of the stream away: killed again and again, then cut off
// the network. A new leader must go on where the old one was, and in order.
func TestFaultsCluster(t *testing.T) {
	const kills, cuts = 6, 2
	network := docker.Network(t)
	nodes := network.Cluster(3)
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.URL())
	}
	bridge := network.Bridge(strings.Join(urls, ","),
		testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_PUBLISHER_REPLICAS": "3"}))
	// With replicas the bridge publishes one event at a time.
	l := load(t, "c", 500*time.Millisecond,
		func() string { return hostOf(t, bridge.URL("/")) },
		func() string { return bridge.OpsURL("/metrics") })
	l.publishes(50)
	for killed := 0; l.faults < kills; killed++ {
		if killed == 4*kills {
			t.Fatalf("only %d of %d kills count", l.faults, killed)
		}
		leader := streamLeader(t, nodes)
		l.moment()
		if l.busy() {
			l.faults++
		}
		leader.Kill()
		l.publishes(50) // of those left
		leader.Start()
		readyAll(nodes)
		l.publishes(50)
	}
	for range cuts {
		leader := streamLeader(t, nodes)
		l.moment()
		if l.busy() {
			l.faults++
		}
		network.Cut(leader.Container)
		l.publishes(50)
		l.during(5 * time.Second)
		network.Join(leader.Container)
		readyAll(nodes)
		l.publishes(50)
	}
	l.finish()
	l.allAnswered()
	l.noLoss()
	stream := natsSessions(t, nodes[0])
	l.judge(stream)
	sameEverywhere(t, nodes)
}

func readyAll(nodes []*containers.NATS) {
	for _, n := range nodes {
		n.Ready()
	}
}

// streamLeader returns the node that leads the stream, and waits until there is
// one, and the others follow it.
func streamLeader(t *testing.T, nodes []*containers.NATS) *containers.NATS {
	t.Helper()
	js, err := jetstream.New(nodes[0].Connect())
	if err != nil {
		t.Fatal(err)
	}
	var leader *containers.NATS
	waitFor(t, 30*time.Second, "the stream has a leader that all follow", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "TREBLE")
		if err != nil {
			return false
		}
		c := stream.CachedInfo().Cluster
		if c == nil || len(c.Replicas) != len(nodes)-1 || slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current }) {
			return false
		}
		i := slices.IndexFunc(nodes, func(n *containers.NATS) bool { return n.URL() == "nats://"+c.Leader+":4222" })
		if i < 0 {
			return false
		}
		leader = nodes[i]
		return true
	})
	return leader
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
			got := natsSessions(t, nodes[0])
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
		if _, err := nodes[0].Connect().Request("$JS.API.STREAM.LEADER.STEPDOWN.TREBLE", nil, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("only %d of %d nodes came to lead", len(seen), len(nodes))
}
