package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// ordered returns n ids that sort in their order.
func ordered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("id-%06d", i)
	}
	return ids
}

// accept accepts one delivery for each id, one after the other.
func accept(t *testing.T, p *publisher.Publisher, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := p.Accept(t.Context(), deliveryOf(id)); err != nil {
			t.Fatalf("Accept %s: %v", id, err)
		}
	}
}

// settle waits until everything accepted is settled, and checks the account.
func settle(t *testing.T, p *publisher.Publisher) ledger.Account {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Events().Drain(ctx); err != nil {
		t.Fatalf("%v; status %+v", err, p.Status())
	}
	a := p.Events().Account()
	if a.Unaccounted != 0 || a.Pending != 0 {
		t.Errorf("account: %+v, want nothing pending and nothing unaccounted", a)
	}
	return a
}

func wantIDs(t *testing.T, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("got %d ids, want %d; the first that differs is at %d: got %q, want %q",
				len(got), len(want), i, got[i:min(i+8, len(got))], want[i:min(i+8, len(want))])
		}
	}
}

func TestJournalPublishesInOrder(t *testing.T) {
	n := natstest.Start(t)
	p := open(t, withJournal(t, n.URL))
	ids := ordered(300)
	accept(t, p, ids...)
	if a := settle(t, p); a.Accepted != 300 || a.Stored != 300 {
		t.Errorf("account: %+v, want 300 stored", a)
	}
	wantIDs(t, n.IDs(t, "TREBLE"), ids)
}

func TestJournalAcceptsWithoutNATS(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := withJournal(t, px.URL())
	px.Down()
	p := open(t, o)
	ids := ordered(2000)
	accept(t, p, ids[:1000]...)
	if s := p.Status(); !s.Ready || !s.Degraded {
		t.Errorf("status while NATS is away: %+v, want ready and degraded", s)
	}
	px.Up()
	accept(t, p, ids[1000:]...)
	settle(t, p)
	wantIDs(t, n.IDs(t, "TREBLE"), ids)
	natstest.Eventually(t, "ready", func() bool { s := p.Status(); return s.Ready && !s.Degraded })
}

func TestJournalOutlivesTheBridge(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := withJournal(t, px.URL())
	px.Down()
	p := open(t, o)
	ids := ordered(50)
	accept(t, p, ids...)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
	px.Up()
	o.Metrics = nil
	settle(t, open(t, o))
	wantIDs(t, n.IDs(t, "TREBLE"), ids)
}

// faultyStream is the real stream, and what goes wrong with chosen publishes, counted
// from 1.
type faultyStream struct {
	outbox.Stream
	calls atomic.Int64
	looks atomic.Int64
	fault func(call int64) fault
}

// fault is the failure of a publish.
type fault int

const (
	noFault  fault = iota
	refused        // the server does not store it
	lost           // it is not sent
	noAnswer       // it is stored, and its PubAck is lost
)

func faulty(f func(call int64) fault) func(outbox.Stream) outbox.Stream {
	return func(s outbox.Stream) outbox.Stream { return &faultyStream{Stream: s, fault: f} }
}

// Info counts as a look at the stream.
func (s *faultyStream) Info(ctx context.Context) (broker.Info, error) {
	defer s.looks.Add(1)
	return s.Stream.Info(ctx)
}

// looked waits until the bridge has looked at the stream, and at what is missing in it,
// once more from now on.
func (s *faultyStream) looked(t *testing.T) {
	t.Helper()
	before := s.looks.Load()
	natstest.Eventually(t, "a look at the stream", func() bool { return s.looks.Load() > before+3 })
}

var errInjected = errors.New("injected")

func (s *faultyStream) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	switch s.fault(s.calls.Add(1)) {
	case refused:
		return broker.Result{Status: broker.Refused, Err: errInjected}
	case lost:
		return broker.Result{Err: errInjected}
	case noAnswer:
		s.Stream.Publish(ctx, msgs)
		return broker.Result{Err: errInjected}
	}
	return s.Stream.Publish(ctx, msgs)
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
					ids := ordered(n)
					accept(t, p, ids...)
					close(accepted)
					settle(t, p)
					wantIDs(t, server.IDs(t, o.Config.Stream), ids)
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
	ids := ordered(1000)
	if err := p.Accept(t.Context(), deliveryOf(ids...)); err != nil {
		t.Fatal(err)
	}
	settle(t, p)
	wantIDs(t, n.IDs(t, "TREBLE"), ids)
}

// TestRepetitions: repeated deliveries are stored once.
func TestRepetitions(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	p := open(t, withJournal(t, px.URL()))
	var want []string
	for i, id := range ordered(40) {
		accept(t, p, id)
		want = append(want, id)
		if i%3 == 0 {
			accept(t, p, id, want[i/2])
		}
	}
	px.Up()
	a := settle(t, p)
	wantIDs(t, n.IDs(t, "TREBLE"), want)
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
	s, err := n.JS.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxMsgs = 10
	if _, err := n.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	ids := ordered(60)
	accept(t, p, ids...)
	natstest.Eventually(t, "degraded", func() bool { return p.Status().Degraded })
	if !p.Status().Ready {
		t.Error("not ready: a full stream must not keep events out of the journal")
	}
	cfg.MaxMsgs = -1
	if _, err := n.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	settle(t, p)
	wantIDs(t, n.IDs(t, "TREBLE"), ids)
}

// TestRefusedForGoodIsSetAside: what is refused for good does not hold up the rest,
// and is kept.
func TestRefusedForGoodIsSetAside(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	p := open(t, withJournal(t, px.URL()))
	accept(t, p, "first")
	settle(t, p)
	px.Down()
	big := natstest.Event("big", `"`+string(make([]byte, 0))+fmt.Sprintf("%05000d", 0)+`"`)
	if err := p.Accept(t.Context(), delivery.Delivery{Events: []schema.Event{big}}); err != nil {
		t.Fatal(err)
	}
	accept(t, p, "small")
	s, err := n.JS.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxMsgSize = 2000
	if _, err := n.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	px.Up()
	if a := settle(t, p); a.SetAside != 1 || a.Stored != 2 {
		t.Errorf("account: %+v, want one set aside and two stored", a)
	}
	wantIDs(t, n.IDs(t, "TREBLE"), []string{"first", "small"})
	if s := p.Status(); !s.Degraded {
		t.Errorf("status: %+v, want degraded", s)
	}
}
