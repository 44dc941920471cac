package publisher_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestJournalAcceptsWithoutNATS(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := withJournal(t, px.URL())
	px.Down()
	p := open(t, o)
	ids := natstest.Numbered("id", 2000)
	accept(t, p, ids[:1000]...)
	if s := p.Status(); !s.Ready || !s.Degraded {
		t.Errorf("status while NATS is away: %+v, want ready and degraded", s)
	}
	px.Up()
	accept(t, p, ids[1000:]...)
	if a := settle(t, p); a.Accepted != 2000 || a.Stored != 2000 {
		t.Errorf("account: %+v, want 2000 stored", a)
	}
	n.WantIDs(t, "TREBLE", ids...)
	natstest.Eventually(t, "all is well", func() bool { return well(p) })
}

// TestJournalOutlivesTheBridge: what is pending when a bridge ends is published by the next one, also
// if that one has no journal for what it accepts itself.
func TestJournalOutlivesTheBridge(t *testing.T) {
	for _, ack := range []string{publisher.AckJournal, publisher.AckStream} {
		t.Run(ack, func(t *testing.T) {
			n := natstest.Start(t)
			px := natstest.StartProxy(t, n.URL)
			o := withJournal(t, px.URL())
			px.Down()
			p := open(t, o)
			ids := natstest.Numbered("id", 50)
			accept(t, p, ids...)
			o.Config.Ack = ack
			p = reopen(t, p, o)
			px.Up()
			settle(t, p)
			n.WantIDs(t, "TREBLE", ids...)
		})
	}
}

// TestRefusedInFlight has the k-th publish of a backlog go wrong, for every k, in each
// way in which a publish can end that is not stored, with batches and without.
func TestRefusedInFlight(t *testing.T) {
	t.Parallel()
	const n = 12
	server := natstest.Start(t)
	for name, way := range map[string]fault{"refused": refused, "lost": lost, "no-answer": noAnswer} {
		for _, batches := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s-%v", name, batches), func(t *testing.T) {
				for k := int64(1); k <= 4; k++ {
					o := withJournal(t, server.URL)
					o.Config.Stream = fmt.Sprintf("%s-%v-%d", name, batches, k)
					o.Config.SubjectPrefix = o.Config.Stream
					o.Config.Batches = batches
					accepted := make(chan struct{})
					o = o.WithStream(faulty(func(call int64) fault {
						<-accepted // so that all but the first wait together
						if call == k {
							return way
						}
						return noFault
					}))
					p := open(t, o)
					ids := natstest.Numbered("id", n)
					accept(t, p, ids...)
					close(accepted)
					settle(t, p)
					server.WantIDs(t, o.Config.Stream, ids...)
					closed(t, p)
				}
			})
		}
	}
}

// TestRefusedAtRandom refuses one in ten, while eight clients deliver and the
// connection is cut again and again.
func TestRefusedAtRandom(t *testing.T) {
	server := natstest.Start(t)
	px := natstest.StartProxy(t, server.URL)
	o := withJournal(t, px.URL())
	o = o.WithStream(faulty(func(int64) fault {
		if rand.N(10) == 0 {
			return refused
		}
		return noFault
	}))
	p := open(t, o)
	const clients, each = 8, 150
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				if err := p.Accept(t.Context(), deliveryOf(fmt.Sprintf("c%d-%04d", c, i))); err != nil {
					t.Errorf("Accept: %v", err)
				}
				if c == 0 && i%50 == 49 {
					px.Down()
					px.Up()
				}
			}
		})
	}
	wg.Wait()
	settle(t, p)
	got := server.IDs(t, "TREBLE")
	if len(got) != clients*each {
		t.Errorf("got %d messages, want %d", len(got), clients*each)
	}
	for c := range clients {
		var mine []string
		for _, id := range got {
			if id[:2] == fmt.Sprintf("c%d", c) {
				mine = append(mine, id)
			}
		}
		if !slices.IsSorted(mine) || len(mine) != each {
			t.Errorf("client %d: %d events, in order: %v", c, len(mine), slices.IsSorted(mine))
		}
	}
}

// TestArrayIsOneEntry: the events of an array come in their order, and all.
func TestArrayIsOneEntry(t *testing.T) {
	n := natstest.Start(t)
	p := open(t, withJournal(t, n.URL))
	ids := natstest.Numbered("id", 1000)
	wantAnswer(t, p, deliveryOf(ids...), nil)
	settle(t, p)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestRepetitions: repeated deliveries are stored once.
func TestRepetitions(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	p := open(t, withJournal(t, px.URL()))
	var want []string
	for i, id := range natstest.Numbered("id", 40) {
		accept(t, p, id)
		want = append(want, id)
		if i%3 == 0 {
			accept(t, p, id, want[i/2])
		}
	}
	px.Up()
	a := settle(t, p)
	n.WantIDs(t, "TREBLE", want...)
	if a.Stored != 40 || a.Duplicate != a.Accepted-40 {
		t.Errorf("account: %+v, want 40 stored and the rest duplicates", a)
	}
}

// TestFullStreamHoldsOrder: a stream that is full refuses for a while; nothing
// overtakes.
func TestFullStreamHoldsOrder(t *testing.T) {
	n := natstest.Start(t)
	o := withJournal(t, n.URL)
	p := open(t, o)
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 })
	ids := natstest.Numbered("id", 60)
	accept(t, p, ids...)
	natstest.Eventually(t, "degraded", func() bool { return p.Status().Degraded })
	if !p.Status().Ready {
		t.Error("not ready: a full stream must not keep events out of the journal")
	}
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
	settle(t, p)
	n.WantIDs(t, "TREBLE", ids...)
}
