package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
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
	defect defect
	b      *Outbox
	aside  []string
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
	b.o = Options{
		Dir: b.dir + "/journal", Retain: 10 * time.Minute, Name: "TREBLE", Prefix: "treble", RefusedAfter: time.Minute,
		Subjects: []string{"treble.a", "treble.b"},
		SetAside: func(m broker.Message, why Reason, _ error) error {
			b.aside = append(b.aside, m.ID+":"+string(why))
			return nil
		},
		now: func() time.Time { return b.clock }, rand: func(int64) int64 { return 0 }, salt: func() uint32 { return 7 }, synchronous: true,
	}
	b.open()
	t.Cleanup(func() { b.b.Close() })
	return b
}

func (b *bench) open() {
	b.t.Helper()
	b.o.stream = b.client
	var err error
	if b.b, err = b.defect.open(b.o); err != nil {
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

func ids(prefix string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%s-%04d", prefix, i))
	}
	return all
}

func TestPublishesInOrder(t *testing.T) {
	for _, way := range []struct{ fast, atomic bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		b := newBench(t, func(c *streammodel.Config) { c.Fast, c.Batches = way.fast, way.atomic })
		b.client.SetUp(false)
		all := ids("e", 1300)
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
			b.accept(ids("e", 20)...)
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
			b.want(append([]string{"first"}, ids("e", 20)...)...)
		}
	}
}

// TestMends has a row for each way in which the promise was broken once: what is to
// hold, and that it does not without the mend.
func TestMends(t *testing.T) {
	for _, c := range []struct {
		name   string
		defect defect
		run    func(b *bench) error
	}{
		{"retained outlives a full journal while NATS is away", yieldWhileAway, func(b *bench) error {
			b.restart(func(o *Options) { o.MaxBytes = 40_000 })
			b.accept(ids("old", 3)...)
			b.pass(time.Second)
			backup := b.model.Backup()
			b.accept(ids("kept", 100)...)
			b.pass(time.Second)
			b.client.SetUp(false)
			b.pass(time.Second)
			refused := false
			for i := 0; !refused && i < 1000; i++ {
				refused = b.b.Append(context.Background(), []broker.Message{message("treble.a", fmt.Sprint("more-", i))}) != nil
			}
			b.model.Restore(backup)
			b.model.Start()
			b.client.SetUp(true)
			b.pass(time.Minute)
			return there(b, ids("kept", 100)...)
		}},
		{"a hole after a recovery is a loss", holesAreRemovals, func(b *bench) error {
			b.accept(ids("e", 64)...)
			b.pass(time.Second)
			b.model.PowerLoss(3)
			b.model.Start()
			b.pass(time.Minute)
			return there(b, ids("e", 64)...)
		}},
		{"another stream in the configuration", keepTarget, func(b *bench) error {
			b.accept(ids("e", 5)...)
			b.pass(time.Second)
			b.client.SetUp(false)
			b.accept("pending")
			other := streammodel.New(func() time.Time { return b.clock }, streammodel.Config{Subjects: []string{"acme.>"}, Batches: true, Duplicates: time.Minute})
			b.model, b.client = other, other.Dial()
			b.restart(func(o *Options) {
				o.Name, o.Prefix, o.Subjects = "ACME", "acme", []string{"acme.a"}
				o.Subject = func(m broker.Message) string { return "acme" + strings.TrimPrefix(m.Subject, "treble") }
			})
			b.accept("new")
			b.pass(time.Minute)
			if got := b.ids(); !slices.Equal(got, []string{"pending", "new"}) {
				return fmt.Errorf("the other stream has %q", got)
			}
			return nil
		}},
		{"what is only retained makes room", neverYield, func(b *bench) error {
			b.restart(func(o *Options) { o.MaxBytes = 40_000 })
			for i := range 500 {
				if err := b.b.Append(context.Background(), []broker.Message{message("treble.a", fmt.Sprint("e-", i))}); err != nil {
					return fmt.Errorf("event %d: %w", i, err)
				}
				b.pass(10 * time.Millisecond)
			}
			return nil
		}},
		{"what was released stays away", forgetReleases, func(b *bench) error {
			b.accept(ids("e", 5)...)
			b.pass(11 * time.Minute)
			b.model.DeleteStream()
			b.model.Create()
			b.restart()
			b.pass(time.Minute)
			if got := b.ids(); len(got) > 0 {
				return fmt.Errorf("%q came back", got)
			}
			return nil
		}},
		{"a repetition is one after an outage longer than the window", forgetRepeated, func(b *bench) error {
			b.accept("x", "y")
			b.pass(time.Second)
			b.client.SetUp(false)
			b.accept("x", "z")
			b.pass(11 * time.Minute)
			b.client.SetUp(true)
			b.pass(time.Minute)
			if got := b.ids(); !slices.Equal(got, []string{"x", "y", "z"}) {
				return fmt.Errorf("the stream has %q", got)
			}
			return nil
		}},
		{"a doubt ends", keepHighest, func(b *bench) error {
			doubts := 0
			b.restart(func(o *Options) { o.Retain = 0; o.RecheckStreams = func() { doubts++ } })
			b.accept(ids("e", 5)...)
			b.pass(time.Second)
			backup := b.model.Backup()
			b.accept(ids("f", 5)...)
			b.pass(time.Minute)
			b.model.Restore(backup)
			b.model.Start()
			for i := range 20 {
				b.model.Write("treble.a", fmt.Sprint("other-", i))
			}
			b.pass(5 * time.Minute)
			if doubts > 2 {
				return fmt.Errorf("%d doubts about one loss", doubts)
			}
			return nil
		}},
		{"a subject that is not captured does not hold up the others", waitForSubject, func(b *bench) error {
			b.model.Configure(func(c *streammodel.Config) { c.Subjects = []string{"treble.a"} })
			b.accept("one")
			if err := b.b.Append(context.Background(), []broker.Message{message("treble.b", "other")}); err != nil {
				return err
			}
			b.accept("two")
			b.pass(2 * time.Minute)
			if got := b.ids(); !slices.Equal(got, []string{"one", "two"}) || !slices.Equal(b.aside, []string{"other:uncaptured"}) {
				return fmt.Errorf("the stream has %q, set aside are %q; problem %q", got, b.aside, b.b.Problem())
			}
			return nil
		}},
		{"a scan begins where something can be", scanAll, func(b *bench) error {
			for i := range 200 {
				b.model.Write("treble.a", fmt.Sprint("other-", i))
			}
			b.client.SetUp(false)
			b.accept("a")
			b.restart()
			b.client.SetUp(true)
			b.pass(time.Second)
			b.client.SetUp(false)
			b.accept("b")
			b.restart()
			b.client.SetUp(true)
			b.pass(time.Second)
			if b.model.Reads > 10 {
				return fmt.Errorf("%d messages were read", b.model.Reads)
			}
			return there(b, "a", "b")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(newBench(t)); err != nil {
				t.Error(err)
			}
			b := newBench(t)
			b.defect = c.defect
			b.restart()
			if err := c.run(b); err == nil {
				t.Error("holds without the mend too: the row shows nothing")
			}
		})
	}
}

func there(b *bench, ids ...string) error {
	got := b.ids()
	for _, id := range ids {
		n := 0
		for _, g := range got {
			if g == id {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("%s is there %d times, in %q", id, n, got)
		}
	}
	return nil
}
