//go:build faults || soak

package faults

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
	"github.com/treble-bridge/treble-bridge/test/oracle"
)

// The tests with the build tag faults take NATS away from a bridge in the ways
// in which it happens, while clients go on posting. The judge is always the
// oracle: every event answered 200 is in the stream exactly once, after those
// that were answered before it was sent; nothing that was refused is there. At
// the end nothing is pending and everything is accounted for. Each test prints
// what it did; docs/guarantees.md has the figures.

// Load on one bridge.
const (
	faultConns = 16
	faultPace  = 20 * time.Millisecond
	faultSize  = 300 // bytes of an event's text
)

// drainLimit bounds the time in which a bridge publishes its backlog.
const drainLimit = 2 * time.Minute

// loaded is a bridge under load, with what its clients were told.
type loaded struct {
	t       *testing.T
	name    string
	oracle  *oracle.Oracle
	clients *oracle.Clients
	target  target

	faults  int // counted
	longest time.Duration
	notes   []string
}

// target is a bridge in a container or in a process.
type target interface {
	Addr() string // host:port of the public listener, which a restart changes
	OpsURL(path string) string
}

// loadedBridge puts a bridge under load beside a nats-server, each in a container.
func loadedBridge(t *testing.T) (*containers.Network, *containers.NATS, *loaded) {
	t.Helper()
	network := docker.Network(t)
	nats := network.NATS()
	return network, nats, load(t, "c", faultSize, faultPace, network.Bridge("bridge", nats.URL()))
}

// endsWithoutLoss ends the load: everything was answered, nothing of it lost, and the stream has what was told.
func (l *loaded) endsWithoutLoss(nats *containers.NATS) {
	l.t.Helper()
	l.finish()
	l.allAnswered()
	l.noLoss()
	l.judge(bridge.StreamSessions(l.t, nats.JetStream()))
}

// load starts the load; name is what the session ids begin with, size is that of an event's text, pace is the
// time between an answer and the next request of a connection.
func load(t *testing.T, name string, size int, pace time.Duration, on target) *loaded {
	t.Helper()
	l := &loaded{t: t, name: name, oracle: oracle.New(), target: on}
	l.clients = oracle.StartClients(name, l.oracle, faultConns, size)
	l.clients.Pace = pace
	t.Cleanup(l.clients.Close)
	l.resume()
	return l
}

// metric reads a gauge or counter of the bridge; 0 if it does not answer.
func (l *loaded) metric(name string) float64 {
	m, err := bridge.Scrape(l.target.OpsURL("/metrics"))
	if err != nil {
		return 0
	}
	return m["treble_bridge_"+name]
}

// during lets the load run for a while.
func (l *loaded) during(d time.Duration) {
	l.t.Helper()
	select {
	case <-time.After(d):
	case <-l.t.Context().Done():
	}
}

// moment waits for a short, random time, so that a fault comes at any moment.
func (l *loaded) moment() { l.during(rand.N(500 * time.Millisecond)) }

// awaitBusy waits until a fault counts, and counts it: a request is unanswered, or an event is accepted and not
// yet known to be in the stream.
func (l *loaded) awaitBusy() {
	for range 200 {
		if l.oracle.OpenAt(0, l.oracle.Now()) > 0 || l.metric("pending_events") > 0 {
			l.faults++
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// untilCounted repeats a fault, which says by awaitBusy when it comes, until so many more have counted.
func (l *loaded) untilCounted(counted int, fault func()) {
	l.t.Helper()
	for tried, want := 0, l.faults+counted; l.faults < want; tried++ {
		if tried == 4*counted {
			l.t.Fatalf("only %d of %d faults count", counted-(want-l.faults), tried)
		}
		fault()
	}
}

// publishes waits until n more events are stored, and keeps the longest wait.
func (l *loaded) publishes(n float64) {
	l.t.Helper()
	l.publishesWithin(drainLimit, n)
}

// publishesWithin is publishes with a bound of its own.
func (l *loaded) publishesWithin(limit time.Duration, n float64) {
	l.t.Helper()
	began := time.Now()
	from := l.metric("stored_events")
	bridge.AwaitTrue(l.t, limit, fmt.Sprintf("%g more events are published", n), func() bool {
		return l.metric("stored_events") >= from+n
	})
	l.longest = max(l.longest, time.Since(began))
}

// accepts waits until n more requests were answered 200.
func (l *loaded) accepts(n int) {
	l.t.Helper()
	tick := l.oracle.Now()
	bridge.Await(l.t, 30*time.Second, "requests are answered 200", bridge.AtLeast(n, func() int { return l.oracle.AcceptedSince(tick) }))
}

// note adds a line to what the test prints.
func (l *loaded) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// quiet ends the load for a while.
func (l *loaded) quiet() {
	l.t.Helper()
	l.clients.PauseAndWait(l.t)
}

// resume sends the clients to the bridge.
func (l *loaded) resume() { l.t.Helper(); l.clients.To(l.target.Addr()) }

// finish ends the load and waits until everything is published.
func (l *loaded) finish() {
	l.t.Helper()
	l.quiet()
	began, backlog := time.Now(), l.metric("pending_events")
	m := bridge.Samples{}
	bridge.AwaitTrue(l.t, drainLimit, "all is published", func() bool {
		var err error
		m, err = bridge.Scrape(l.target.OpsURL("/metrics"))
		return err == nil && m["treble_bridge_pending_events"] == 0
	})
	l.note("drained the last %g within %s", backlog, time.Since(began).Round(time.Millisecond))
	if n := m["treble_bridge_unaccounted_events"]; n != 0 {
		l.t.Errorf("got %g unaccounted events, want 0", n)
	}
	if n := m["treble_bridge_set_aside_events"]; n != 0 {
		l.t.Errorf("got %g events in set-aside, want 0", n)
	}
}

// judge holds the answers against the part of the stream that is of this
// bridge, and prints the totals.
func (l *loaded) judge(stream []string) {
	l.t.Helper()
	l.report(stream, l.oracle.Check(stream))
}

// report fails the test with what is wrong with a stream, and prints the totals.
func (l *loaded) report(stream, wrong []string) {
	l.t.Helper()
	totals := l.oracle.Totals()
	totals.ExpectPlain(l.t)
	oracle.Report(l.t, wrong)
	l.t.Logf("%s: %d faults counted; %s; %d events stored, %g healed, %g duplicates, %g reconnects; longest wait for publishing %s",
		l.name, l.faults, totals, len(stream), l.metric("healed_total"), l.metric("duplicate_events"),
		l.metric("nats_reconnects_total"), l.longest.Round(time.Millisecond))
	for _, n := range l.notes {
		l.t.Logf("%s: %s", l.name, n)
	}
}

// allAnswered wants no request without an answer.
func (l *loaded) allAnswered() {
	l.t.Helper()
	if n := l.oracle.Totals().Unanswered; n > 0 {
		l.t.Errorf("got %d requests without an answer, want 0", n)
	}
}

// noLoss wants that the bridge believes in no loss where there was none: what a
// nats-server has acknowledged survives these faults, as it flushes first.
func (l *loaded) noLoss() {
	l.t.Helper()
	if n := l.metric("healed_total"); n > 0 {
		l.t.Errorf("got %g events healed, want 0: JetStream has lost nothing", n)
	}
}
