package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func TestAcceptStoresInOrderAndCountsDuplicates(t *testing.T) {
	n := natstest.Start(t)
	o := options(t, n.URL)
	p := open(t, o)

	for range 2 {
		wantAnswer(t, p, deliveryOf("a", "b", "c"), nil)
	}
	n.WantIDs(t, "TREBLE", "a", "b", "c")
	wantMetric(t, o.Metrics, 3, "treble_bridge_published_total")
	wantMetric(t, o.Metrics, 3, "treble_bridge_publish_duplicates_total")
	m := natstest.Messages(t, n.JS, "TREBLE")[0]
	if m.Subject != "treble.message.read" {
		t.Errorf("subject = %q", m.Subject)
	}
	if _, err := schema.Decode(m.Data); err != nil {
		t.Errorf("Decode: %v", err)
	}
}

// TestPubAckHeldBackIsUnknown: while the PubAck is held back nobody knows, so the answer is "unknown" when the
// ack timeout or the deadline of the request is over; and the event is stored all the same.
func TestPubAckHeldBackIsUnknown(t *testing.T) {
	for name, c := range map[string]struct{ ackTimeout, deadline time.Duration }{
		"ack-timeout": {300 * time.Millisecond, time.Minute},
		"deadline":    {time.Minute, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			n := natstest.Start(t)
			px := natstest.StartProxy(t, n.URL)
			o := options(t, px.URL())
			o.Config.AckTimeout = c.ackTimeout
			p := open(t, o)
			accept(t, p, "before") // the stream is known then
			px.HoldBack.Store(true)
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			defer cancel()
			began := time.Now()
			if err := p.Accept(ctx, deliveryOf("held")); !errors.Is(err, delivery.ErrOutcomeUnknown) {
				t.Errorf("Accept = %v, want %v", err, delivery.ErrOutcomeUnknown)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("Accept took %v, want about 300ms", took)
			}
			n.WantIDs(t, "TREBLE", "before", "held")
			wantMetric(t, o.Metrics, 1, "treble_bridge_publish_failures_total", "outcome_unknown")
			px.HoldBack.Store(false)
		})
	}
}

// What was answered "unavailable" while NATS was away never appears.
func TestAwayIsUnavailableAndNeverAppears(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	p := open(t, options(t, px.URL()))
	accept(t, p, "before")
	px.Down()
	natstest.Eventually(t, "connection lost", func() bool { return !p.Status().Ready })
	for _, id := range natstest.Numbered("away", 50) {
		wantAnswer(t, p, deliveryOf(id), delivery.ErrUnavailable)
	}
	px.Up()
	natstest.Eventually(t, "ready again", func() bool { return p.Status().Ready })
	accept(t, p, "after")
	n.WantIDs(t, "TREBLE", "before", "after")
}

// NATS that was never there: Open works, Accept does not, and it comes up.
func TestOpenWithoutNATS(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	p := open(t, options(t, px.URL()))
	if p.Status().Ready {
		t.Error("ready without NATS")
	}
	wantAnswer(t, p, deliveryOf("early"), delivery.ErrUnavailable)
	px.Up()
	natstest.Eventually(t, "ready", func() bool { return p.Status().Ready })
	accept(t, p, "late")
	n.WantIDs(t, "TREBLE", "late")
}

// The central one: the link is cut after a random number of bytes, again and
// again, under load, and comes back. Acknowledged events are stored, and what
// is stored was acknowledged or unknown.
func TestCutsAtRandomPoints(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := options(t, px.URL())
	o.Config.AckTimeout = 200 * time.Millisecond
	p := open(t, o)

	var mu sync.Mutex
	outcomes := map[string]error{}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for w := range 8 {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("w%d-%d", w, i)
				// Large enough that a cut falls inside a message.
				err := p.Accept(t.Context(), natstest.Delivery(natstest.Padded(id, rand.IntN(4000))))
				mu.Lock()
				outcomes[id] = err
				mu.Unlock()
				if err != nil {
					time.Sleep(time.Millisecond) // do not spin while away
				}
			}
		})
	}
	cuts := 20
	if testing.Short() {
		cuts = 5
	}
	for range cuts {
		natstest.Eventually(t, "connected", p.Conn().Connected)
		px.Budget.Store(rand.Int64N(40_000))
		natstest.Eventually(t, "cut", px.Refuse.Load)
		px.Cut()
		natstest.Eventually(t, "away", func() bool { return !p.Conn().Connected() })
		px.Up()
	}
	close(stop)
	load.Wait()
	natstest.Eventually(t, "ready", func() bool { return p.Status().Ready })

	var acked, unavailable, unknown int
	stored := map[string]int{}
	for _, id := range n.IDs(t, "TREBLE") {
		stored[id]++
	}
	for id, err := range outcomes {
		switch {
		case err == nil:
			acked++
			if stored[id] != 1 {
				t.Errorf("%s: acknowledged, stored %d times", id, stored[id])
			}
		case errors.Is(err, delivery.ErrUnavailable):
			unavailable++
			if stored[id] != 0 {
				t.Errorf("%s: unavailable (%v), but stored", id, err)
			}
		case errors.Is(err, delivery.ErrOutcomeUnknown):
			unknown++
		default:
			t.Errorf("%s: %v", id, err)
		}
	}
	t.Logf("cuts %d: acknowledged %d, unavailable %d, unknown %d, stored %d", cuts, acked, unavailable, unknown, len(stored))
	if acked == 0 || unavailable == 0 || unknown == 0 {
		t.Error("the test proves nothing: want some of each")
	}
}

func TestFullStreamIsUnavailable(t *testing.T) {
	n := natstest.Start(t)
	o := options(t, n.URL)
	o.Config.MaxBytes = 4096
	p := open(t, o)
	var stored []string
	var err error
	for i := 0; err == nil && i < 100; i++ {
		id := fmt.Sprintf("e%d", i)
		if err = p.Accept(t.Context(), deliveryOf(id)); err == nil {
			stored = append(stored, id)
		}
	}
	if !errors.Is(err, delivery.ErrUnavailable) {
		t.Fatalf("Accept on a full stream = %v, want %v", err, delivery.ErrUnavailable)
	}
	n.WantIDs(t, "TREBLE", stored...)
}

// An array of which only the first elements have room is stored whole or not at all;
// one by one, where batches are not wanted, part of it is.
func TestArrayForWhichThereIsNoRoom(t *testing.T) {
	for _, batches := range []bool{true, false} {
		n := natstest.Start(t)
		o := options(t, n.URL)
		o.Config.MaxBytes, o.Config.Batches = 4096, batches
		p := open(t, o)
		ids := natstest.Numbered("e", 30)
		want := delivery.ErrUnavailable
		if !batches {
			want = delivery.ErrOutcomeUnknown
		}
		wantAnswer(t, p, deliveryOf(ids...), want)
		got := n.IDs(t, "TREBLE")
		if batches == (len(got) > 0) || len(got) == len(ids) || !slices.Equal(got, ids[:len(got)]) {
			t.Errorf("batches %v: stream holds %v", batches, got)
		}
	}
}

func TestAnotherStreamOnTheSubjectIsUnavailable(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"treble.>"}})
	p := open(t, options(t, n.URL))
	wantAnswer(t, p, deliveryOf("x"), delivery.ErrUnavailable)
	n.WantIDs(t, "OTHER")
	if p.Status().Ready || !says(p, "OTHER") {
		t.Errorf("Status = %+v, want unready and the name of the other stream", p.Status())
	}
}

func TestTooLarge(t *testing.T) {
	const limit = 64 << 10
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = limit })
	o := options(t, n.URL)
	p := open(t, o)

	t.Run("copies-dropped", func(t *testing.T) {
		e := natstest.Padded("copies", 40_000)
		e.Data.Base().SessionKeys = schema.SessionKeys{"k": {Text: strings.Repeat("y", 40_000)}}
		wantAnswer(t, p, natstest.Delivery(e), nil)
		m := natstest.Messages(t, n.JS, "TREBLE")[0]
		got, err := schema.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if b := got.Data.Base(); len(b.SessionKeys) != 0 || len(b.Warnings) != 1 || len(b.Raw) < 40_000 {
			t.Errorf("session_keys %d, warnings %q, raw %d bytes", len(b.SessionKeys), b.Warnings, len(b.Raw))
		}
	})
	t.Run("set-aside", func(t *testing.T) {
		before := len(n.IDs(t, "TREBLE"))
		err := p.Accept(t.Context(), natstest.Delivery(natstest.Event("small", `1`), natstest.Padded("large", limit)))
		var tooLarge *delivery.TooLargeError
		if !errors.As(err, &tooLarge) || tooLarge.Limit != limit || tooLarge.Size <= limit {
			t.Fatalf("Accept = %v, want a TooLargeError over %d", err, limit)
		}
		if got := len(n.IDs(t, "TREBLE")); got != before {
			t.Errorf("stream holds %d more, want none: the delivery is refused as one", got-before)
		}
		entries := readSetAside(t, o.DataDir)
		if len(entries) != 2 || entries["large"].Reason != setaside.TooLarge || entries["small"].Reason != setaside.WithTooLarge {
			t.Fatalf("set-aside holds %v, want both events", entries)
		}
		if _, err := schema.Decode(entries["large"].Data); err != nil {
			t.Errorf("event in set-aside: %v", err)
		}
		wantMetric(t, o.Metrics, 2, "treble_bridge_set_aside_total")
		if s := p.Status(); !s.Ready || !s.Degraded {
			t.Errorf("Status = %+v, want ready and degraded", s)
		}
	})
	t.Run("exactly-the-limit", func(t *testing.T) {
		// Our count of the size is the server's: at the limit it goes, one
		// byte more does not.
		for over, want := range []error{nil, delivery.ErrTooLarge} {
			id := fmt.Sprintf("exact-%d", over)
			m, _ := p.Encode(natstest.Event(id, `""`))
			wantAnswer(t, p, natstest.Delivery(natstest.Padded(id, limit-int(m.Size())+over)), want)
		}
	})
}

// The limit of the stream can be lower than the server's; and when our copy
// of it is old, the server's refusal gives the same answer.
func TestMaxMsgSizeOfTheStream(t *testing.T) {
	n := natstest.Start(t)
	o := options(t, n.URL)
	p := open(t, o)
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 10_000 })
	d := natstest.Delivery(natstest.Padded("big", 20_000))
	for _, known := range []bool{false, true} {
		if known {
			p.Streams().Wake()
			natstest.Eventually(t, "limit known", func() bool { return p.Limit() == 10_000 })
		}
		wantAnswer(t, p, d, delivery.ErrTooLarge)
	}
	wantMetric(t, o.Metrics, 2, "treble_bridge_set_aside_total")
}
