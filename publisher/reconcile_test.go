package publisher_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
)

// shortWindow returns options with the shortest duplicate window of use here,
// so that nothing below rests on it.
func shortWindow(t *testing.T, url string) publisher.Options {
	o := withJournal(t, url)
	o.Config.DuplicateWindow = 2 * time.Second
	return o
}

// loseTail accepts the first ids, takes a copy of the store, accepts the rest,
// and puts the copy back: the rest is acknowledged and lost.
func loseTail(t *testing.T, n *natstest.Server, p *publisher.Publisher, kept, lost []string) {
	t.Helper()
	publish(t, p, kept...)
	n.Kill()
	older := n.CopyStore(t)
	n.Restart(t)
	publish(t, p, lost...)
	n.Kill()
	n.PutBack(t, older)
}

func TestLostTailIsHealed(t *testing.T) {
	n := natstest.Start(t)
	p := open(t, shortWindow(t, n.URL))
	ids := natstest.Numbered("id", 60)
	loseTail(t, n, p, ids[:20], ids[20:40])
	accept(t, p, ids[40:]...) // NATS is away
	n.Restart(t)
	settle(t, p)
	n.AwaitMessages(t, "TREBLE", 60)
	n.WantIDs(t, "TREBLE", ids...)
	if a := p.Events().Account(); a.Healed != 20 || a.Stored != 60 || a.Unaccounted != 0 {
		t.Errorf("account: %+v, want 60 stored, 20 of them healed", a)
	}
}

// TestLossSeenAtStart: the tail was lost while the bridge was down.
func TestLossSeenAtStart(t *testing.T) {
	n := natstest.Start(t)
	o := shortWindow(t, n.URL)
	p := open(t, o)
	ids := natstest.Numbered("id", 40)
	loseTail(t, n, p, ids[:20], ids[20:])
	closed(t, p)
	n.Restart(t)
	o.Metrics = nil
	open(t, o)
	n.AwaitMessages(t, "TREBLE", 40)
	n.WantIDs(t, "TREBLE", ids...)
}

// without has no PubAck arrive while deaf is true.
func without(deaf *atomic.Bool) func(outbox.Stream) outbox.Stream {
	return faulty(func(int64) fault {
		if deaf.Load() {
			return noAnswer
		}
		return noFault
	})
}

// TestOutageLongerThanDuplicateWindow: publishes are in flight without a
// PubAck, the tail is lost, and the server remembers no id when it comes back.
func TestOutageLongerThanDuplicateWindow(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := shortWindow(t, px.URL())
	var deaf atomic.Bool
	p := open(t, o.WithStream(without(&deaf)))
	ids := natstest.Numbered("id", 90)
	publish(t, p, ids[:20]...)
	n.Kill()
	older := n.CopyStore(t)
	n.Restart(t)
	natstest.Eventually(t, "connected", p.Conn().Connected)
	publish(t, p, ids[20:40]...)
	px.Down()
	accept(t, p, ids[40:55]...)
	deaf.Store(true)
	px.Up()
	n.AwaitMessages(t, "TREBLE", 55)
	px.Down()
	deaf.Store(false)
	accept(t, p, ids[55:]...)
	stored := time.Now()
	n.Kill()
	n.PutBack(t, older)
	natstest.Eventually(t, "the duplicate window is over", func() bool { return time.Since(stored) > 2500*time.Millisecond })
	n.Restart(t)
	px.Up()
	settle(t, p)
	n.AwaitMessages(t, "TREBLE", 90)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestUnknownIsNotDoubled: PubAcks are lost, nothing else, for longer than the
// duplicate window.
func TestUnknownIsNotDoubled(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := shortWindow(t, px.URL())
	var deaf atomic.Bool
	p := open(t, o.WithStream(without(&deaf)))
	ids := natstest.Numbered("id", 15)
	px.Down()
	natstest.Eventually(t, "the cut is noticed", func() bool { return !p.Conn().Connected() })
	accept(t, p, ids...)
	deaf.Store(true)
	px.Up()
	n.AwaitMessages(t, "TREBLE", 15)
	px.Down()
	deaf.Store(false)
	stored := time.Now()
	natstest.Eventually(t, "the duplicate window is over", func() bool { return time.Since(stored) > 2500*time.Millisecond })
	px.Up()
	settle(t, p)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestTwoBridgesHealOneStream: both had events in the tail.
func TestTwoBridgesHealOneStream(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a, b := open(t, shortWindow(t, n.URL)), open(t, shortWindow(t, n.URL))
	idsA, idsB := natstest.Numbered("a", 60), natstest.Numbered("b", 60)
	alternate := func(from, to int) {
		for i := from; i < to; i++ {
			accept(t, a, idsA[i])
			accept(t, b, idsB[i])
		}
		settle(t, a)
		settle(t, b)
	}
	alternate(0, 20)
	n.Kill()
	older := n.CopyStore(t)
	n.Restart(t)
	alternate(20, 40)
	n.Kill()
	n.PutBack(t, older)
	accept(t, a, idsA[40:]...)
	accept(t, b, idsB[40:]...)
	n.Restart(t)
	n.AwaitMessages(t, "TREBLE", 120)
	settle(t, a)
	settle(t, b)
	var gotA, gotB []string
	for _, id := range n.IDs(t, "TREBLE") {
		if id[0] == 'a' {
			gotA = append(gotA, id)
		} else {
			gotB = append(gotB, id)
		}
	}
	if !slices.Equal(gotA, idsA) || !slices.Equal(gotB, idsB) {
		t.Errorf("the stream has of one bridge %v, and of the other %v", gotA, gotB)
	}
}

// TestLossWithoutReconnect: JetStream falls back while the connection stays.
func TestLossWithoutReconnect(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	p := open(t, shortWindow(t, px.URL()))
	ids := natstest.Numbered("id", 40)
	publish(t, p, ids[:20]...)
	config := *n.JetStreamConfig()
	config.StoreDir = n.Options.StoreDir
	enable := func() {
		c := config // which the server changes
		if err := n.EnableJetStream(&c); err != nil {
			t.Fatal(err)
		}
		px.Stall.Store(false)
	}
	disable := func() {
		px.Stall.Store(true) // a server that turns JetStream on again races with requests to it
		if err := n.DisableJetStream(); err != nil {
			t.Fatal(err)
		}
	}
	disable()
	older := n.CopyStore(t)
	enable()
	natstest.Eventually(t, "published again", func() bool { return p.Accept(t.Context(), deliveryOf(ids[20])) == nil })
	publish(t, p, ids[21:]...)
	disable()
	n.PutBack(t, older)
	enable()
	n.AwaitMessages(t, "TREBLE", 40)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestStreamMadeAgain: the stream is deleted; the bridge makes it again and
// publishes what it still has.
func TestStreamMadeAgain(t *testing.T) {
	n := natstest.Start(t)
	p := open(t, shortWindow(t, n.URL))
	ids := natstest.Numbered("id", 40)
	publish(t, p, ids[:20]...)
	if err := n.JS.DeleteStream(t.Context(), "TREBLE"); err != nil {
		t.Fatal(err)
	}
	publish(t, p, ids[20:]...)
	n.AwaitMessages(t, "TREBLE", 40)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestRemovedIsNoLoss: what a purge, a delete or a limit removed does not come
// back.
func TestRemovedIsNoLoss(t *testing.T) {
	t.Parallel()
	remove := map[string]func(*testing.T, *natstest.Server, jetstream.Stream){
		"purge": func(t *testing.T, _ *natstest.Server, s jetstream.Stream) {
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"purge-some": func(t *testing.T, _ *natstest.Server, s jetstream.Stream) {
			if err := s.Purge(t.Context(), jetstream.WithPurgeKeep(5)); err != nil {
				t.Fatal(err)
			}
		},
		"delete": func(t *testing.T, _ *natstest.Server, s jetstream.Stream) {
			for _, seq := range []uint64{7, 12, 20} { // the last one too
				if err := s.SecureDeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
		},
		"limit": func(t *testing.T, n *natstest.Server, _ jetstream.Stream) {
			n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 4, jetstream.DiscardOld })
		},
	}
	for name, f := range remove {
		t.Run(name, func(t *testing.T) {
			n := natstest.Start(t)
			o := shortWindow(t, n.URL)
			looks := &faultyStream{fault: func(int64) fault { return noFault }}
			o = o.WithStream(func(s outbox.Stream) outbox.Stream { looks.Stream = s; return looks })
			p := open(t, o)
			publish(t, p, natstest.Numbered("id", 20)...)
			f(t, n, n.Find(t, "TREBLE"))
			before := n.StreamInfo(t, "TREBLE").State
			looks.looked(t) // or what was removed looks like lost by the restart
			n.Kill()
			n.Restart(t)
			natstest.Eventually(t, "connected", p.Conn().Connected)
			publish(t, p, "after")
			after := n.StreamInfo(t, "TREBLE").State
			if after.LastSeq != before.LastSeq+1 {
				t.Errorf("the stream ends at %d, want %d: nothing but the new event", after.LastSeq, before.LastSeq+1)
			}
			p = reopen(t, p, o) // and after a restart
			publish(t, p, "later")
			if end := n.StreamInfo(t, "TREBLE").State.LastSeq; end != before.LastSeq+2 {
				t.Errorf("the stream ends at %d, want %d", end, before.LastSeq+2)
			}
			if a := p.Events().Account(); a.Healed != 0 {
				t.Errorf("account: %+v, want nothing healed", a)
			}
		})
	}
}
