//go:build faults || soak

package faults

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// tailLost is the least number of acknowledged events that JetStream loses.
const tailLost = 1000

// shortWindow leaves nothing to the duplicate window of the stream: what is
// published twice is there twice.
const shortWindow = "TREBLE_BRIDGE_PUBLISHER_DUPLICATE_WINDOW=2s"

// TestFaultsTailLost puts an older copy of JetStream's store back, taken and
// put back under load. The bridge publishes again what is missing. With one
// bridge even the order is as if nothing had happened: what was lost comes
// before everything that is newer.
func TestFaultsTailLost(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	l := load(t, "c", faultSize, faultPace, network.Bridge("bridge", nats.URL(), shortWindow))
	for range 2 {
		l.publishes(100)
		older := nats.Snapshot()
		l.publishes(3 * tailLost)
		l.during(3 * time.Second) // longer than the duplicate window
		loseTail(t, nats, older, l)
		l.publishes(100)
	}
	l.finish()
	l.allAnswered()
	l.judge(bridge.StreamSessions(t, nats.JetStream()))
}

// TestFaultsTailLostTwoBridges: two bridges on one stream each mend their own
// part of what is lost, while the other one goes on writing.
func TestFaultsTailLostTwoBridges(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	var both []*loaded
	for _, name := range []string{"a", "b"} {
		l := load(t, name, faultSize, faultPace, network.Bridge("bridge-"+name, nats.URL(), shortWindow))
		both = append(both, l)
	}
	publish := func(n float64) {
		for _, l := range both {
			l.publishes(n)
		}
	}
	publish(100)
	older := nats.Snapshot()
	publish(tailLost)
	both[0].during(3 * time.Second)
	loseTail(t, nats, older, both...)
	publish(100)
	for _, l := range both {
		l.finish()
		l.allAnswered()
	}
	of := map[string][]string{}
	for _, session := range bridge.StreamSessions(t, nats.JetStream()) {
		of[session[:1]] = append(of[session[:1]], session)
	}
	for _, l := range both {
		l.judge(of[l.name])
		delete(of, l.name)
	}
	for _, strange := range of {
		t.Errorf("the stream has events that nobody sent: %q", strange[:min(len(strange), 3)])
	}
}

// loseTail puts an older store back, and waits until every bridge has mended
// what is missing. It wants that enough was lost.
func loseTail(t *testing.T, nats *containers.NATS, older []byte, bridges ...*loaded) {
	t.Helper()
	before := make([]float64, len(bridges))
	for i, l := range bridges {
		before[i] = l.metric("healed_total")
		l.faults++
	}
	nats.Restore(older)
	healed := 0.0
	for i, l := range bridges {
		began := time.Now()
		bridge.AwaitTrue(t, drainLimit, "the bridge mends the loss", func() bool { return l.metric("healed_total") > before[i] })
		settled := l.metric("stored_events")
		bridge.AwaitTrue(t, drainLimit, "the bridge publishes what is newer", func() bool { return l.metric("stored_events") > settled+100 })
		n := l.metric("healed_total") - before[i]
		healed += n
		l.note("%g healed, newer ones published after %s", n, time.Since(began).Round(time.Millisecond))
	}
	if healed < tailLost {
		t.Errorf("got %g events healed, want %d or more: JetStream has lost too little", healed, tailLost)
	}
}
