//go:build faults

package faults

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestFaultsNATSKilled kills nats-server with SIGKILL under load, again and
// again.
func TestFaultsNATSKilled(t *testing.T) {
	const want = 12
	_, nats, l := loadedBridge(t)
	l.publishes(100)
	for killed := 0; l.faults < want; killed++ {
		if killed == 4*want {
			t.Fatalf("only %d of %d kills count", l.faults, killed)
		}
		l.moment()
		if l.busy() {
			l.faults++
		}
		nats.Kill()
		l.accepts(faultConns)
		nats.Start()
		nats.Ready()
		l.publishes(100)
	}
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
	for _, pause := range []time.Duration{3 * time.Second, 20 * time.Second} {
		l.publishes(100)
		if l.busy() {
			l.faults++
		}
		nats.Pause()
		l.during(pause)
		nats.Unpause()
		nats.Ready()
	}
	l.publishes(100)
	l.endsWithoutLoss(nats)
}

// TestFaultsNetworkCut takes nats-server off the network: no answer, not even a
// refusal, and no such name.
func TestFaultsNetworkCut(t *testing.T) {
	network, nats, l := loadedBridge(t)
	for _, cut := range []time.Duration{time.Second, 15 * time.Second} {
		l.publishes(100)
		if l.busy() {
			l.faults++
		}
		network.Cut(nats.Container)
		l.during(cut)
		network.Join(nats.Container)
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
	daemon := network.Bridge(nats.URL())
	l := load(t, "c", 300, faultPace/4, daemon.Addr, func() string { return daemon.OpsURL("/metrics") })
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
		l.clients.To(l.ingress())
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
