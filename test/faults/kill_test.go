package faults

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/oracle"
)

// TestKillBridge kills the bridge with SIGKILL under load, again and again, on
// one data directory, and holds what its clients were told against the stream.
func TestKillBridge(t *testing.T) {
	t.Parallel()
	total := &killTotals{}
	t.Run("embedded", func(t *testing.T) { killRound(t, total, killEmbedded, 13) })
	t.Run("external", func(t *testing.T) { killRound(t, total, killExternal, 12) })
	t.Log(total)
	if total.counted < 25 && !t.Failed() {
		t.Errorf("got %d counted kills, want 25", total.counted)
	}
}

// killRound wants a number of counted kills and nothing wrong.
func killRound(t *testing.T, total *killTotals, where killMode, counted int) {
	k := newKiller(t, where, t.TempDir(), 24, 300)
	k.round(counted)
	total.add(&k.killTotals)
}

// killMode says which NATS the killed bridge publishes to.
type killMode bool

const (
	killEmbedded killMode = false // the NATS dies with the bridge
	killExternal killMode = true  // the NATS lives on, behind a proxy
)

// killTotals say how much a test did.
type killTotals struct {
	killed  int // kills of a ready bridge
	counted int // kills of killed that count
	early   int // kills of a bridge that was not ready, not in killed
	events  int // in the stream at the end
	answers oracle.Totals
}

func (k *killTotals) add(other *killTotals) {
	k.killed += other.killed
	k.counted += other.counted
	k.early += other.early
	k.events += other.events
	k.answers.Add(other.answers)
}

func (k *killTotals) String() string {
	return fmt.Sprintf("%d kills, %d of them counted, and %d during a start; %s; %d events stored",
		k.killed, k.counted, k.early, k.answers, k.events)
}

// killer kills bridges. A kill counts only if at that moment
//
//   - a request was open: it was sent before the kill, and never answered; and
//   - an entry was pending, that is, in the journal and not known to be in the
//     stream. With the external NATS this is certain: the proxy lets no PubAck
//     through from some moment on, and a request that was sent later was answered
//     200. With the embedded one the metric said so right before the kill, by a
//     margin.
type killer struct {
	killTotals
	t       *testing.T
	dataDir string
	env     []string
	oracle  *oracle.Oracle
	clients *oracle.Clients
	bridge  *bridge.Process // that runs

	broker *natstest.Server // nil: embedded
	proxy  *natstest.Proxy
}

// newKiller returns a killer of bridges on a data directory, with so many clients that post texts of a size.
func newKiller(t *testing.T, where killMode, dataDir string, connections, size int, env ...string) *killer {
	k := &killer{t: t, dataDir: dataDir, env: env, oracle: oracle.New()}
	if where == killExternal {
		k.broker = natstest.Start(t)
		k.proxy = natstest.StartProxy(t, k.broker.URL)
		k.env = append(k.env, "TREBLE_BRIDGE_NATS_URL="+k.proxy.URL())
	}
	k.clients = oracle.StartClients("c", k.oracle, connections, size)
	t.Cleanup(k.clients.Close)
	return k
}

// round makes so many counted kills, and wants nothing wrong then.
func (k *killer) round(counted int) {
	k.t.Helper()
	for k.counted < counted {
		if k.killed >= 4*counted {
			k.t.Fatalf("only %d of %d kills count", k.counted, k.killed)
		}
		if k.killed%4 == 3 {
			k.killEarly()
		}
		k.killOnce()
	}
	k.start()
	k.finish()
}

// finish ends the load, waits until everything is published, ends the bridge, and wants that nothing is wrong
// and no request had a strange answer, but for these statuses.
func (k *killer) finish(also ...int) {
	k.t.Helper()
	k.clients.PauseAndWait(k.t)
	k.bridge.Published(k.t)
	stream := ofLoad(k.stream())
	k.events = len(stream)
	k.answers = k.oracle.Totals()
	k.bridge.Stop()
	oracle.Report(k.t, k.oracle.Check(stream))
	k.answers.ExpectPlain(k.t, also...)
	k.t.Log(&k.killTotals)
}

// start starts the bridge and sends the clients to it.
func (k *killer) start() {
	k.bridge = bridge.ServeOn(k.t, k.dataDir, k.env...)
	k.clients.To(k.bridge.Addrs.Ingress)
}

// killEarly kills a bridge while it recovers.
func (k *killer) killEarly() {
	p := bridge.Launch(k.t, k.dataDir, k.env...)
	time.Sleep(rand.N(150 * time.Millisecond)) // the moment is to be random
	p.Kill()
	k.early++
}

// killOnce starts a bridge, kills it at a random moment under load, and counts.
func (k *killer) killOnce() {
	born := k.oracle.Now()
	k.start()
	k.accepts(born, 1)
	if k.killed%2 == 0 {
		// Half of the kills come after the bridge has compared the journal with the stream.
		k.publishes()
	}
	time.Sleep(rand.N(200 * time.Millisecond)) // the moment is to be random
	pending := k.awaitPending()
	killed := k.oracle.Now()
	k.bridge.Kill()
	k.clients.PauseAndWait(k.t)
	if k.proxy != nil {
		k.proxy.Cut()
		k.proxy.Up()
	}
	k.killed++
	if pending && k.oracle.OpenAt(born, killed) > 0 {
		k.counted++
	}
}

// pendingEvents is the number of events that the embedded NATS must have yet to store, so
// that it cannot have stored them all between the look at the metric and the
// kill.
const pendingEvents = 32

// publishes waits until the bridge that runs has published something.
func (k *killer) publishes() {
	k.t.Helper()
	k.bridge.Await("something is published", bridge.AtLeast(1, func() int { return int(k.bridge.Metrics(k.t)["treble_bridge_published_total"]) }))
}

// accepts waits until n deliveries that were sent since a tick were answered 200.
func (k *killer) accepts(since, n int) {
	k.t.Helper()
	k.bridge.Await("deliveries are answered 200", bridge.AtLeast(n, func() int { return k.oracle.AcceptedSince(since) }))
}

// refuses waits until n deliveries that were sent since a tick were answered 503.
func (k *killer) refuses(since, n int) {
	k.t.Helper()
	k.bridge.Await("deliveries are answered 503", bridge.AtLeast(n, func() int { return k.oracle.UnavailableSince(since) }))
}

// awaitPending tries to come to a moment when something is pending.
func (k *killer) awaitPending() bool {
	if k.proxy == nil {
		for range 50 {
			if k.bridge.Metrics(k.t)["treble_bridge_pending_events"] >= pendingEvents {
				return true
			}
		}
		return false
	}
	// Either the broker has the events and the bridge does not know, or it has
	// none of them.
	if rand.N(2) == 0 {
		k.proxy.HoldBack.Store(true)
	} else {
		k.proxy.Freeze()
	}
	held := k.oracle.Now()
	k.accepts(held, 1)
	time.Sleep(rand.N(50 * time.Millisecond)) // the moment is to be random
	return true
}

// stream returns the sessions in the stream, in its order.
func (k *killer) stream() []string {
	if k.broker != nil {
		return bridge.StreamSessions(k.t, k.broker.JS)
	}
	return bridge.StreamSessions(k.t, k.bridge.JetStream(k.t))
}

// TestSecondBridgeOnOneDataDir: the second bridge refuses to start, and names the first one.
func TestSecondBridgeOnOneDataDir(t *testing.T) {
	t.Parallel()
	first := bridge.Serve(t)
	second := bridge.Launch(t, first.DataDir)
	if code := second.ExitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	want := fmt.Sprintf("is in use by the process with pid %d", first.PID())
	if !strings.Contains(second.Output.String(), want) || !strings.Contains(second.Output.String(), filepath.Base(first.DataDir)) {
		t.Errorf("got %q, want the directory and %q in it", second.Output.String(), want)
	}
	first.PostEvent(t, bridge.Payload(t, "message-read.json")) // as before
	// The lock goes with the process, however it ends.
	first.Kill()
	bridge.ServeOn(t, first.DataDir)
}
