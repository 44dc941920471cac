package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestKillBridge kills the bridge with SIGKILL under load, again and again, on
// one data directory, and holds what its clients were told against the stream.
func TestKillBridge(t *testing.T) {
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
	k := newKiller(t, where, binary(t))
	reportBreaches(t, k.round(counted))
	if odd := k.answers.odd(plain...); len(odd) > 0 {
		t.Errorf("got answers %v, want only %v", odd, plain)
	}
	t.Log(&k.killTotals)
	total.add(&k.killTotals)
}

// killMode says which NATS the bridge has that is killed.
type killMode bool

const (
	killEmbedded killMode = false // it dies with the bridge
	killExternal killMode = true  // it lives, behind a proxy
)

// killTotals say how much a test did.
type killTotals struct {
	killed  int // while it was ready
	counted int // of them, those that count
	early   int // kills before it was ready; they are extra
	events  int // in the stream at the end
	answers oracleTotals
}

func (k *killTotals) add(other *killTotals) {
	k.killed += other.killed
	k.counted += other.counted
	k.early += other.early
	k.events += other.events
	k.answers.add(other.answers)
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
	path    string // of the binary
	dataDir string
	env     []string
	oracle  *oracle
	posters *posters
	bridge  *process // that runs

	broker *natstest.Server // nil: embedded
	proxy  *natstest.Proxy
}

// connections is how many clients post at once.
const connections = 24

func newKiller(t *testing.T, where killMode, path string, env ...string) *killer {
	k := &killer{t: t, path: path, dataDir: t.TempDir(), env: env, oracle: newOracle()}
	if where == killExternal {
		k.broker = natstest.Start(t)
		k.proxy = natstest.StartProxy(t, k.broker.URL)
		k.env = append(k.env, "TREBLE_BRIDGE_NATS_URL="+k.proxy.URL())
	}
	k.posters = startPosters(k.oracle, connections, 300)
	t.Cleanup(k.posters.close)
	return k
}

// round makes so many counted kills, lets everything drain and returns what is
// wrong then.
func (k *killer) round(counted int) []string {
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
	return k.drain()
}

// drain ends the load, waits until everything is published, ends the bridge and
// returns what is wrong.
func (k *killer) drain() []string {
	k.t.Helper()
	k.posters.pause()
	k.bridge.await("the posters are quiet", k.posters.quiet)
	k.bridge.published(k.t)
	stream := ofLoad(k.stream())
	k.events = len(stream)
	k.answers = k.oracle.totals()
	if code := k.bridge.terminate(); code != 0 {
		k.t.Errorf("got exit code %d, want 0", code)
	}
	return k.oracle.check(stream)
}

// start starts the bridge and sends the posters to it.
func (k *killer) start() {
	k.bridge = launch(k.t, k.path, k.dataDir, k.env...)
	k.bridge.ready()
	k.posters.to(k.bridge.addrs.Ingress)
}

// killEarly kills a bridge while it recovers.
func (k *killer) killEarly() {
	p := launch(k.t, k.path, k.dataDir, k.env...)
	time.Sleep(rand.N(150 * time.Millisecond)) // the moment is to be random
	p.kill()
	k.early++
}

// killOnce starts a bridge, kills it at a random moment under load, and counts.
func (k *killer) killOnce() {
	born := k.oracle.now()
	k.start()
	k.bridge.await("something is accepted", func(context.Context) error {
		return k.acceptedSince(born)
	})
	if k.killed%2 == 0 {
		// Not only while it compares the journal with the stream.
		k.bridge.await("something is published", k.publishes)
	}
	time.Sleep(rand.N(200 * time.Millisecond)) // the moment is to be random
	pending := k.awaitPending()
	killed := k.oracle.now()
	k.bridge.kill()
	k.posters.pause()
	waitUntil(k.t, "the posters notice", func() error { return k.posters.quiet(k.t.Context()) })
	if k.proxy != nil {
		k.proxy.Cut()
		k.proxy.Up()
	}
	k.killed++
	if pending && k.oracle.openAt(born, killed) > 0 {
		k.counted++
	}
}

// pendingEvents is how many events the embedded NATS must have to store yet, so
// that it cannot have stored them all between the look at the metric and the
// kill.
const pendingEvents = 32

func (k *killer) publishes(context.Context) error {
	if k.bridge.metrics(k.t)["treble_bridge_published_total"] == 0 {
		return errors.New("nothing is")
	}
	return nil
}

// awaitPending tries to come to a moment when something is pending.
func (k *killer) awaitPending() bool {
	if k.proxy == nil {
		for range 50 {
			if k.bridge.metrics(k.t)["treble_bridge_pending_events"] >= pendingEvents {
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
	held := k.oracle.now()
	k.bridge.await("something is accepted while PubAcks are held back", func(context.Context) error {
		return k.acceptedSince(held)
	})
	time.Sleep(rand.N(50 * time.Millisecond)) // the moment is to be random
	return true
}

func (k *killer) acceptedSince(tick int) error {
	if k.oracle.acceptedSince(tick) == 0 {
		return errors.New("nothing is")
	}
	return nil
}

// stream returns the sessions in the stream, in its order.
func (k *killer) stream() []string {
	if k.broker != nil {
		return streamSessions(k.t, k.broker.JS)
	}
	return streamSessions(k.t, k.bridge.jetStream(k.t))
}

// TestSecondBridgeOnOneDataDir: it refuses, and names the first one.
func TestSecondBridgeOnOneDataDir(t *testing.T) {
	first := serve(t)
	second := launch(t, binary(t), first.dataDir)
	if code := second.exitCode(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
	want := fmt.Sprintf("is in use by the process with pid %d", first.pid())
	if !strings.Contains(second.output.String(), want) || !strings.Contains(second.output.String(), filepath.Base(first.dataDir)) {
		t.Errorf("got %q, want the directory and %q in it", second.output.String(), want)
	}
	if r := first.post(t, request{body: payload(t, "message-read.json")}); r.status != 200 {
		t.Errorf("got %d from the first one, want 200 as before", r.status)
	}
	// The lock goes with the process, however it ends.
	first.kill()
	third := launch(t, binary(t), first.dataDir)
	third.ready()
}
