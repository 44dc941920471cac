//go:build faults || soak

package faults

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// clusterBound is the time that publishing may stand still after a fault of a cluster that
// keeps two of its three nodes, or has all three again: an election, and that the
// bridge and the nodes notice what hangs.
const clusterBound = 45 * time.Second

// cluster is three nats-servers, and a bridge under load that publishes to them.
type cluster struct {
	*loaded
	network *containers.Network
	nodes   []*containers.NATS
}

// startCluster starts a cluster with so many replicas of the streams, and returns when events
// are stored.
func startCluster(t *testing.T, replicas int) *cluster {
	t.Helper()
	network := docker.Network(t)
	nodes := network.Cluster(3)
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.URL())
	}
	daemon := network.Bridge("bridge", strings.Join(urls, ","), fmt.Sprint("TREBLE_BRIDGE_PUBLISHER_REPLICAS=", replicas))
	c := &cluster{network: network, nodes: nodes, loaded: load(t, "c", faultSize, faultPace, daemon)}
	c.flows()
	return c
}

// flows waits until publishing goes on.
func (c *cluster) flows() { c.t.Helper(); c.publishesWithin(clusterBound, 100) }

// leaderless makes a fault of the leader, and mends it: events are published
// meanwhile by those left, and by all of them afterwards.
func (c *cluster) leaderless(counted int, fault, mend func(*containers.NATS)) {
	c.t.Helper()
	c.untilCounted(counted, func() {
		leader := streamLeader(c.t, c.nodes)
		c.moment()
		c.awaitBusy()
		fault(leader)
		c.flows()
		mend(leader)
		readyAll(c.nodes)
		c.flows()
	})
}

// end drains, and holds the answers against each copy of the stream.
func (c *cluster) end() {
	c.t.Helper()
	c.finish()
	c.allAnswered()
	c.noLoss()
	readyAll(c.nodes)
	// A node that was cut off may answer from its own copy until it follows again, and knows
	// nothing of what came meanwhile.
	streamLeader(c.t, c.nodes)
	c.judge(ofLoad(bridge.StreamSessions(c.t, c.js())))
	sameEverywhere(c.t, c.nodes)
	for _, n := range c.nodes {
		for line := range strings.Lines(n.WholeLog()) {
			if strings.Contains(line, "critical write error") {
				c.t.Errorf("a replica stopped for good: %s", line)
			}
		}
	}
}

// TestFaultsCluster takes the leader of three replicas away: killed again and again,
// frozen, cut off the network. A new leader must go on where the old one was.
func TestFaultsCluster(t *testing.T) { clusterFaults(t, 6, 2, 2) }

func clusterFaults(t *testing.T, kills, pauses, cuts int) {
	c := startCluster(t, 3)
	c.leaderless(kills, func(n *containers.NATS) { n.Kill() }, func(n *containers.NATS) { n.Start() })
	c.leaderless(pauses, func(n *containers.NATS) { n.Pause() }, func(n *containers.NATS) { n.Unpause() })
	c.leaderless(cuts, func(n *containers.NATS) { c.network.Cut(n.Container) }, func(n *containers.NATS) { c.network.Join(n.Container) })
	c.end()
}

// TestFaultsClusterRolling restarts all nodes one after the other, as an upgrade does:
// first with a wait until each follows again, then without.
func TestFaultsClusterRolling(t *testing.T) { clusterRolling(t, 2) }

func clusterRolling(t *testing.T, rounds int) {
	c := startCluster(t, 3)
	for round := range rounds {
		for _, n := range c.nodes {
			c.moment()
			c.awaitBusy()
			n.Stop()
			n.Start()
			if round%2 == 0 {
				readyAll(c.nodes)
				streamLeader(t, c.nodes)
			}
		}
		readyAll(c.nodes)
		c.flows()
	}
	c.end()
}

// TestFaultsClusterStepdown makes another node the leader each second.
func TestFaultsClusterStepdown(t *testing.T) { clusterStepdown(t, 30) }

func clusterStepdown(t *testing.T, times int) {
	c := startCluster(t, 3)
	nc := c.js().Conn()
	from := c.metric("stored_events")
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range times {
		select {
		case <-second.C:
		case <-t.Context().Done():
			return
		}
		// Without a leader there is no answer, and no change of the leader.
		if m, err := nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.TREBLE", nil, time.Second); err == nil && strings.Contains(string(m.Data), `"success":true`) {
			c.faults++
		}
	}
	c.note("%g events were stored during %d changes of the leader", c.metric("stored_events")-from, c.faults)
	if c.faults < times/3 {
		t.Errorf("got %d changes of the leader in %d seconds, want %d or more", c.faults, times, times/3)
	}
	c.flows()
	c.end()
}

// TestFaultsClusterScaling changes the number of replicas under load: the command that
// the bridge itself advises must not stop a replica, which then stops the stream.
func TestFaultsClusterScaling(t *testing.T) { clusterScaling(t, 2) }

func clusterScaling(t *testing.T, rounds int) {
	c := startCluster(t, 1)
	for range rounds {
		c.scale(3)
		c.scale(1)
	}
	c.scale(3)
	c.end()
}

// TestFaultsClusterScalingIdle changes the number of replicas of a stream of many messages, which take
// a while to copy, while nothing comes; a burst comes as soon as the replicas are
// added.
func TestFaultsClusterScalingIdle(t *testing.T) { clusterScalingIdle(t, 150_000) }

func clusterScalingIdle(t *testing.T, messages int) {
	c := startCluster(t, 1)
	c.quiet()
	publishFillers(t, c.js(), messages)
	for _, replicas := range []int{3, 1, 3} {
		c.update(replicas)
		c.resume()
		c.flows()
		c.quiet()
		c.current(replicas)
		c.faults++
	}
	c.resume()
	c.flows()
	c.end()
}

// scale changes the replicas under load, and waits until all follow.
func (c *cluster) scale(replicas int) {
	c.t.Helper()
	c.moment()
	c.awaitBusy()
	c.update(replicas)
	c.flows()
	c.current(replicas)
	c.flows()
}

// update sets the number of replicas, as an operator does.
func (c *cluster) update(replicas int) {
	c.t.Helper()
	js := c.js()
	for _, name := range []string{"TREBLE", "TREBLE_QUARANTINE"} {
		bridge.Await(c.t, 30*time.Second, "the replicas can be changed", func(ctx context.Context) error {
			s, err := js.Stream(ctx, name)
			if err != nil {
				return err
			}
			cfg := s.CachedInfo().Config
			cfg.Replicas = replicas
			_, err = js.UpdateStream(ctx, cfg)
			return err
		})
	}
}

// current waits until the stream has so many copies that are up to date.
func (c *cluster) current(replicas int) {
	c.t.Helper()
	began := time.Now()
	js := c.js()
	bridge.AwaitTrue(c.t, time.Minute, fmt.Sprintf("%d replicas are current", replicas), func() bool {
		s, err := js.Stream(c.t.Context(), "TREBLE")
		return err == nil && follow(s.CachedInfo().Cluster, replicas)
	})
	c.note("%d replicas are current after %s", replicas, time.Since(began).Round(time.Millisecond))
}

func (c *cluster) js() jetstream.JetStream { c.t.Helper(); return c.nodes[0].JetStream() }
