package publisher_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
)

// host is a machine with a nats-server that can be stopped and started, and
// whose disk can fall back to an older state.
type host struct {
	t     *testing.T
	store string
	port  int

	maxPayload int32 // 0: the server's default
	*natstest.Server
}

func newHost(t *testing.T) *host {
	h := &host{t: t, store: t.TempDir(), port: server.RANDOM_PORT}
	h.start()
	return h
}

func (h *host) start() {
	h.t.Helper()
	h.Server = natstest.Start(h.t, func(o *server.Options) {
		o.StoreDir, o.Port = h.store, h.port
		if h.maxPayload > 0 {
			o.MaxPayload = h.maxPayload
		}
	})
	h.port = h.Addr().(*net.TCPAddr).Port
}

func (h *host) stop() {
	h.NC.Close()
	h.Shutdown()
	h.WaitForShutdown()
}

// stored returns the number of messages in the stream, 0 if there is none.
func (h *host) stored(t *testing.T) uint64 {
	s, err := h.JS.Stream(t.Context(), "TREBLE")
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.Msgs
}

// copyStore copies the store of a stopped server.
func (h *host) copyStore() string {
	h.t.Helper()
	dir := filepath.Join(h.t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(h.store)); err != nil {
		h.t.Fatal(err)
	}
	return dir
}

// putBack replaces the store of a stopped server.
func (h *host) putBack(dir string) {
	h.t.Helper()
	if err := os.RemoveAll(h.store); err != nil {
		h.t.Fatal(err)
	}
	if err := os.CopyFS(h.store, os.DirFS(dir)); err != nil {
		h.t.Fatal(err)
	}
}

// shortWindow returns options with the shortest duplicate window of use here,
// so that nothing below rests on it.
func shortWindow(t *testing.T, url string) publisher.Options {
	o := withJournal(t, url)
	o.Config.DuplicateWindow = 2 * time.Second
	return o
}

// loseTail accepts the first ids, takes a copy of the store, accepts the rest,
// and puts the copy back: the rest is acknowledged and lost.
func loseTail(t *testing.T, h *host, p *publisher.Publisher, kept, lost []string) {
	t.Helper()
	accept(t, p, kept...)
	settle(t, p)
	h.stop()
	older := h.copyStore()
	h.start()
	accept(t, p, lost...)
	settle(t, p)
	h.stop()
	h.putBack(older)
}

func TestLostTailIsHealed(t *testing.T) {
	h := newHost(t)
	p := open(t, shortWindow(t, h.URL))
	ids := ordered(60)
	loseTail(t, h, p, ids[:20], ids[20:40])
	accept(t, p, ids[40:]...) // NATS is away
	h.start()
	settle(t, p)
	natstest.Eventually(t, "healed", func() bool { return len(h.IDs(t, "TREBLE")) == 60 })
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
	if a := p.Events().Account(); a.Healed != 20 || a.Stored != 60 || a.Unaccounted != 0 {
		t.Errorf("account: %+v, want 60 stored, 20 of them healed", a)
	}
}

// TestLossSeenAtStart: the tail was lost while the bridge was down.
func TestLossSeenAtStart(t *testing.T) {
	h := newHost(t)
	o := shortWindow(t, h.URL)
	p := open(t, o)
	ids := ordered(40)
	loseTail(t, h, p, ids[:20], ids[20:])
	closed(t, p)
	h.start()
	o.Metrics = nil
	open(t, o)
	natstest.Eventually(t, "healed", func() bool { return len(h.IDs(t, "TREBLE")) == 40 })
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
}

func closed(t *testing.T, p *publisher.Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// TestOutageLongerThanDuplicateWindow: publishes are in flight without a
// PubAck, the tail is lost, and the server remembers no id when it comes back.
func TestOutageLongerThanDuplicateWindow(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	px := natstest.StartProxy(t, h.URL)
	o := shortWindow(t, px.URL())
	var deaf atomic.Bool // PubAcks are lost
	o = o.WithStream(faulty(func(int64) fault {
		if deaf.Load() {
			return noAnswer
		}
		return noFault
	}))
	p := open(t, o)
	ids := ordered(90)
	accept(t, p, ids[:20]...)
	settle(t, p)
	h.stop()
	older := h.copyStore()
	h.start()
	natstest.Eventually(t, "connected", p.Conn().Connected)
	accept(t, p, ids[20:40]...)
	settle(t, p)
	px.Down()
	accept(t, p, ids[40:55]...)
	deaf.Store(true)
	px.Up()
	natstest.Eventually(t, "stored without a PubAck", func() bool { return len(h.IDs(t, "TREBLE")) >= 55 })
	px.Down()
	deaf.Store(false)
	accept(t, p, ids[55:]...)
	stored := time.Now()
	h.stop()
	h.putBack(older)
	natstest.Eventually(t, "the duplicate window is over", func() bool { return time.Since(stored) > 2500*time.Millisecond })
	h.start()
	px.Up()
	settle(t, p)
	natstest.Eventually(t, "healed", func() bool { return len(h.IDs(t, "TREBLE")) >= 90 })
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
}

// TestUnknownIsNotDoubled: PubAcks are lost, nothing else, for longer than the
// duplicate window.
func TestUnknownIsNotDoubled(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	px := natstest.StartProxy(t, h.URL)
	o := shortWindow(t, px.URL())
	var deaf atomic.Bool
	o = o.WithStream(faulty(func(int64) fault {
		if deaf.Load() {
			return noAnswer
		}
		return noFault
	}))
	p := open(t, o)
	ids := ordered(15)
	px.Down()
	natstest.Eventually(t, "the cut is noticed", func() bool { return !p.Conn().Connected() })
	accept(t, p, ids...)
	deaf.Store(true)
	px.Up()
	natstest.Eventually(t, "stored", func() bool { return len(h.IDs(t, "TREBLE")) == 15 })
	px.Down()
	deaf.Store(false)
	stored := time.Now()
	natstest.Eventually(t, "the duplicate window is over", func() bool { return time.Since(stored) > 2500*time.Millisecond })
	px.Up()
	settle(t, p)
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
}

// TestTwoBridgesHealOneStream: both had events in the tail.
func TestTwoBridgesHealOneStream(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := open(t, shortWindow(t, h.URL)), open(t, shortWindow(t, h.URL))
	idsOf := func(name string, n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s-%04d", name, i))
		}
		return ids
	}
	idsA, idsB := idsOf("a", 60), idsOf("b", 60)
	alternate := func(from, to int) {
		for i := from; i < to; i++ {
			accept(t, a, idsA[i])
			accept(t, b, idsB[i])
		}
		settle(t, a)
		settle(t, b)
	}
	alternate(0, 20)
	h.stop()
	older := h.copyStore()
	h.start()
	alternate(20, 40)
	h.stop()
	h.putBack(older)
	for i := 40; i < 60; i++ {
		accept(t, a, idsA[i])
		accept(t, b, idsB[i])
	}
	h.start()
	natstest.Eventually(t, "healed", func() bool { return len(h.IDs(t, "TREBLE")) >= 120 })
	settle(t, a)
	settle(t, b)
	var gotA, gotB []string
	for _, id := range h.IDs(t, "TREBLE") {
		if id[0] == 'a' {
			gotA = append(gotA, id)
		} else {
			gotB = append(gotB, id)
		}
	}
	wantIDs(t, gotA, idsA)
	wantIDs(t, gotB, idsB)
}

// TestLossWithoutReconnect: JetStream falls back while the connection stays.
func TestLossWithoutReconnect(t *testing.T) {
	h := newHost(t)
	px := natstest.StartProxy(t, h.URL)
	p := open(t, shortWindow(t, px.URL()))
	ids := ordered(40)
	accept(t, p, ids[:20]...)
	settle(t, p)
	config := *h.JetStreamConfig()
	config.StoreDir = h.store
	enable := func() {
		c := config // which the server changes
		if err := h.EnableJetStream(&c); err != nil {
			t.Fatal(err)
		}
		px.Stall.Store(false)
	}
	disable := func() {
		px.Stall.Store(true) // a server that turns JetStream on again races with requests to it
		if err := h.DisableJetStream(); err != nil {
			t.Fatal(err)
		}
	}
	disable()
	older := h.copyStore()
	enable()
	natstest.Eventually(t, "published again", func() bool { return p.Accept(t.Context(), deliveryOf(ids[20])) == nil })
	accept(t, p, ids[21:]...)
	settle(t, p)
	disable()
	h.putBack(older)
	enable()
	natstest.Eventually(t, "healed", func() bool { return h.stored(t) == 40 })
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
}

// TestStreamMadeAgain: the stream is deleted; the bridge makes it again and
// publishes what it still has.
func TestStreamMadeAgain(t *testing.T) {
	h := newHost(t)
	p := open(t, shortWindow(t, h.URL))
	ids := ordered(40)
	accept(t, p, ids[:20]...)
	settle(t, p)
	if err := h.JS.DeleteStream(t.Context(), "TREBLE"); err != nil {
		t.Fatal(err)
	}
	accept(t, p, ids[20:]...)
	settle(t, p)
	natstest.Eventually(t, "all in the new stream", func() bool { return h.stored(t) == 40 })
	wantIDs(t, h.IDs(t, "TREBLE"), ids)
}

// TestRemovedIsNoLoss: what a purge, a delete or a limit removed does not come
// back.
func TestRemovedIsNoLoss(t *testing.T) {
	t.Parallel()
	remove := map[string]func(*testing.T, jetstream.JetStream, jetstream.Stream){
		"purge": func(t *testing.T, _ jetstream.JetStream, s jetstream.Stream) {
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"purge-some": func(t *testing.T, _ jetstream.JetStream, s jetstream.Stream) {
			if err := s.Purge(t.Context(), jetstream.WithPurgeKeep(5)); err != nil {
				t.Fatal(err)
			}
		},
		"delete": func(t *testing.T, _ jetstream.JetStream, s jetstream.Stream) {
			for _, seq := range []uint64{7, 12, 20} { // the last one too
				if err := s.SecureDeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
		},
		"limit": func(t *testing.T, js jetstream.JetStream, s jetstream.Stream) {
			cfg := s.CachedInfo().Config
			cfg.MaxMsgs, cfg.Discard = 4, jetstream.DiscardOld
			if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, f := range remove {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			o := shortWindow(t, h.URL)
			looks := &faultyStream{fault: func(int64) fault { return noFault }}
			o = o.WithStream(func(s outbox.Stream) outbox.Stream { looks.Stream = s; return looks })
			p := open(t, o)
			accept(t, p, ordered(20)...)
			settle(t, p)
			f(t, h.JS, stream(t, h.JS))
			before := stream(t, h.JS).CachedInfo().State
			looks.looked(t) // or what was removed looks like lost by the restart
			h.stop()
			h.start()
			natstest.Eventually(t, "connected", p.Conn().Connected)
			accept(t, p, "after")
			settle(t, p)
			after := stream(t, h.JS).CachedInfo().State
			if after.LastSeq != before.LastSeq+1 {
				t.Errorf("the stream ends at %d, want %d: nothing but the new event", after.LastSeq, before.LastSeq+1)
			}
			closed(t, p)
			o.Metrics = nil
			p = open(t, o) // and after a restart
			accept(t, p, "later")
			settle(t, p)
			if end := stream(t, h.JS).CachedInfo().State.LastSeq; end != before.LastSeq+2 {
				t.Errorf("the stream ends at %d, want %d", end, before.LastSeq+2)
			}
			if a := p.Events().Account(); a.Healed != 0 {
				t.Errorf("account: %+v, want nothing healed", a)
			}
		})
	}
}

func stream(t *testing.T, js jetstream.JetStream) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
