package outbox

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// bench is an outbox on a disk, and a model of JetStream, stepped by the test.
type bench struct {
	t      *testing.T
	clock  time.Time
	model  *streammodel.Model
	client *streammodel.Client
	dir    string
	o      Options
	b      *Outbox
	aside  []string
}

// testOptions are those of an outbox in a directory, which publishes to two subjects.
func testOptions(dir string) Options {
	return Options{
		Dir: dir, Retain: 10 * time.Minute, Name: "TREBLE", Prefix: "treble", RefusedAfter: time.Minute,
		Subjects: []string{"treble.a", "treble.b"}, SetAside: func(broker.Message, Reason, error) error { return nil },
	}
}

func newBench(t *testing.T, change ...func(*streammodel.Config)) *bench {
	t.Helper()
	b := &bench{t: t, clock: time.Unix(1_770_000_000, 0), dir: t.TempDir()}
	c := streammodel.Config{Subjects: []string{"treble.>"}, Batches: true, Fast: true, Duplicates: 10 * time.Minute}
	for _, f := range change {
		f(&c)
	}
	b.model = streammodel.New(func() time.Time { return b.clock }, c)
	b.client = b.model.Dial()
	b.o = testOptions(b.dir + "/journal")
	b.o.SetAside = func(m broker.Message, why Reason, _ error) error {
		b.aside = append(b.aside, m.ID+":"+string(why))
		return nil
	}
	b.o.now = func() time.Time { return b.clock }
	b.o.rand, b.o.salt, b.o.synchronous = func(int64) int64 { return 0 }, func() uint32 { return 7 }, true
	b.open()
	t.Cleanup(func() { b.b.Close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	b.o.stream = b.client
	var err error
	if b.b, err = Open(b.o); err != nil {
		b.t.Fatal(err)
	}
}

// restart closes the outbox, or lets it be as kill -9 does, and opens it again.
func (b *bench) restart(change ...func(*Options)) {
	b.t.Helper()
	if err := b.b.Close(); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range change {
		f(&b.o)
	}
	b.open()
}

func message(subject, id string) broker.Message {
	return broker.Message{Subject: subject, ID: id, Header: broker.Header{{Name: "Nats-Msg-Id", Value: id}}, Data: []byte(`{"id":"` + id + `"}`)}
}

func (b *bench) accept(ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		if err := b.b.Append(context.Background(), []broker.Message{message("treble.a", id)}); err != nil {
			b.t.Fatalf("append %s: %v", id, err)
		}
	}
}

// pass lets time pass, with as many steps as the outbox takes.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	end := b.clock.Add(d)
	for n := 0; ; n++ {
		r := b.b.step(context.Background())
		b.b.journal.Tick()
		if r.more {
			if n > 100_000 {
				b.t.Fatal("it never rests")
			}
			continue
		}
		if !r.until.After(b.clock) {
			r.until = b.clock.Add(time.Millisecond)
		}
		if r.until.After(end) {
			b.clock = end
			return
		}
		b.clock = r.until
	}
}

func (b *bench) settle() {
	b.t.Helper()
	b.pass(30 * time.Second)
	if a := b.b.Account(); a.Pending != 0 || a.Unaccounted != 0 {
		b.t.Fatalf("account %+v; problem %q", a, b.b.Problem())
	}
}

func (b *bench) ids() []string {
	var ids []string
	for _, m := range b.model.Messages() {
		ids = append(ids, m.ID)
	}
	return ids
}

func (b *bench) want(ids ...string) {
	b.t.Helper()
	if got := b.ids(); !slices.Equal(got, ids) {
		b.t.Fatalf("the stream has %q, want %q; account %+v; problem %q", got, ids, b.b.Account(), b.b.Problem())
	}
}

func TestPublishesInOrder(t *testing.T) {
	for _, way := range []struct{ fast, atomic bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		b := newBench(t, func(c *streammodel.Config) { c.Fast, c.Batches = way.fast, way.atomic })
		b.client.SetUp(false)
		all := natstest.Numbered("e", 1300)
		b.accept(all[:1200]...)
		b.pass(time.Hour)
		b.want()
		b.client.SetUp(true)
		b.settle()
		b.accept(all[1200:]...)
		b.settle()
		b.want(all...)
		if a := b.b.Account(); a.Stored != 1300 {
			t.Errorf("account %+v", a)
		}
	}
}

// TestRepetitionInABatch: a repetition refuses the batch that it is in, and nothing else.
func TestRepetitionInABatch(t *testing.T) {
	for _, fast := range []bool{true, false} {
		b := newBench(t, func(c *streammodel.Config) { c.Fast = fast })
		b.client.SetUp(false)
		b.accept("a", "b", "a", "c", "b", "d")
		b.client.SetUp(true)
		b.settle()
		b.want("a", "b", "c", "d")
		if a := b.b.Account(); a.Stored != 4 || a.Duplicate != 2 {
			t.Errorf("account %+v, want 4 stored and 2 duplicates", a)
		}
	}
}

func TestUnknownIsLookedFor(t *testing.T) {
	for _, kind := range []streammodel.FaultKind{streammodel.LostRequest, streammodel.LostAck, streammodel.CutLink, streammodel.CutLinkAck, streammodel.CutInside} {
		for n := range 4 {
			restart := n%2 == 0
			b := newBench(t, func(c *streammodel.Config) { c.Fast = n < 2 })
			b.accept("first")
			b.settle()
			b.client.SetUp(false)
			b.accept(natstest.Numbered("e", 20)...)
			b.client.SetUp(true)
			b.client.Next(streammodel.Fault{Kind: kind, Sent: 7})
			b.b.step(context.Background()) // away
			for len(b.ids()) == 1 && b.b.relay.pauseUntil.Before(b.clock) && b.b.step(context.Background()).more {
			}
			b.client.SetUp(false)
			if restart {
				b.restart()
			}
			b.clock = b.clock.Add(time.Hour) // the server has forgotten the ids
			b.client.SetUp(true)
			b.settle()
			b.want(append([]string{"first"}, natstest.Numbered("e", 20)...)...)
		}
	}
}

// wantOnce fails the test unless each of the ids is in the stream once.
func (b *bench) wantOnce(ids ...string) {
	b.t.Helper()
	times := map[string]int{}
	for _, id := range b.ids() {
		times[id]++
	}
	for _, id := range ids {
		if times[id] != 1 {
			b.t.Errorf("%s is there %d times, in %q", id, times[id], b.ids())
		}
	}
}
