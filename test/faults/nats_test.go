//go:build faults

package faults

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// TestFaultsNATSKilled kills nats-server with SIGKILL under load, again and
// again.
func TestFaultsNATSKilled(t *testing.T) {
	_, nats, l := loadedBridge(t)
	l.publishes(100)
	l.untilCounted(12, func() {
		l.moment()
		l.awaitBusy()
		nats.Kill()
		l.accepts(faultConns)
		nats.Start()
		nats.Ready()
		l.publishes(100)
	})
	l.endsWithoutLoss(nats)
}

// TestFaultsNATSStopped stops nats-server for a minute.
func TestFaultsNATSStopped(t *testing.T) {
	_, nats, l := loadedBridge(t)
	l.publishes(100)
	nats.Stop()
	l.faults++
	l.during(time.Minute)
	l.note("after a minute without NATS %g events were pending", l.metric("pending_events"))
	nats.Start()
	nats.Ready()
	l.publishes(1)
	l.during(5 * time.Second) // new ones come while the backlog drains
	l.endsWithoutLoss(nats)
}

// TestFaultsNATSPaused freezes nats-server: connections stay open and nothing
// answers. What it had received it takes when it thaws. The first time it is
// back before the bridge gives the connection up, the second time long after.
func TestFaultsNATSPaused(t *testing.T) {
	_, nats, l := loadedBridge(t)
	l.unreachable(nats, nats.Pause, nats.Unpause, 3*time.Second, 20*time.Second)
}

// TestFaultsNetworkCut takes nats-server off the network: no answer, not even a
// refusal, and no such name.
func TestFaultsNetworkCut(t *testing.T) {
	network, nats, l := loadedBridge(t)
	l.unreachable(nats, func() { network.Cut(nats.Container) }, func() { network.Join(nats.Container) }, time.Second, 15*time.Second)
}

// unreachable makes a fault of nats-server under load and mends it, once for each time that it is to last.
func (l *loaded) unreachable(nats *containers.NATS, fault, mend func(), times ...time.Duration) {
	l.t.Helper()
	for _, d := range times {
		l.publishes(100)
		l.awaitBusy()
		fault()
		l.during(d)
		mend()
		nats.Ready()
	}
	l.publishes(100)
	l.endsWithoutLoss(nats)
}

// TestFaultsBridgeKilledWithoutNATS kills the bridge while NATS is away, and
// starts it again on what it left on its disk.
func TestFaultsBridgeKilledWithoutNATS(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	daemon := network.Bridge("bridge", nats.URL())
	l := load(t, "c", faultSize, faultPace/4, daemon)
	l.publishes(100)
	nats.Stop()
	for range 5 {
		l.accepts(20 * faultConns) // all of it is pending, without NATS
		l.moment()
		daemon.Kill()
		l.faults++
		l.quiet()
		daemon.Start()
		daemon.Ready()
		l.resume()
	}
	if l.oracle.Totals().Unanswered == 0 {
		t.Error("got no request without an answer: the kills met no load")
	}
	l.note("without NATS %g events were pending", l.metric("pending_events"))
	nats.Start()
	nats.Ready()
	l.publishes(100)
	l.finish()
	l.noLoss()
	l.judge(bridge.StreamSessions(t, nats.JetStream()))
}
