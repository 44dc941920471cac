package outbox

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// TestRepetitionAfterAnOutage: of two equal events that wait together, the second is a
// duplicate, also if it is written down that both may have been sent.
func TestRepetitionAfterAnOutage(t *testing.T) {
	b := newBench(t)
	b.accept("first")
	b.settle()
	b.client.SetUp(false)
	b.accept("x", "x", "y")
	b.pass(time.Second)
	b.client.SetUp(true)
	b.settle()
	b.want("first", "x", "y")
	if a := b.b.Account(); a.Stored != 3 || a.Duplicate != 1 {
		t.Errorf("account %+v, want 3 stored and 1 duplicate", a)
	}
}

// TestSentIsKnownAgain: after damage anything may have been sent. One look at the stream
// ends that, or every later look would have all ids of a backlog in memory.
func TestSentIsKnownAgain(t *testing.T) {
	b := newBench(t)
	b.accept("a")
	b.settle()
	b.b.ledger.Recovered(1, 1, true)
	b.client.SetUp(false)
	b.pass(time.Second)
	b.client.SetUp(true)
	b.settle()
	b.accept("b")
	b.settle()
	if state, last := b.b.ledger.State(), b.b.Stats().Last; state.Sent > last+2*sentLease {
		t.Errorf("entries up to %d may have been sent, and the last one is %d", state.Sent, last)
	}
	b.restart()
	if state, last := b.b.ledger.State(), b.b.Stats().Last; state.Sent > last+2*sentLease {
		t.Errorf("after a restart: entries up to %d may have been sent, and the last one is %d", state.Sent, last)
	}
	b.settle()
	b.want("a", "b")
}

// TestRepetitionsTakeLittleMemory: of a backlog of many hours, the ids of one duplicate
// window are in memory at most.
func TestRepetitionsTakeLittleMemory(t *testing.T) {
	b := newBench(t, func(c *streammodel.Config) { c.Batches = false })
	b.accept("first")
	b.settle()
	b.client.SetUp(false)
	for _, id := range natstest.Numbered("e", 3000) {
		b.accept(id)
		b.clock = b.clock.Add(10 * time.Second)
	}
	b.client.SetUp(true)
	most := 0
	for b.b.Account().Pending > 0 {
		b.b.step(context.Background())
		b.clock = b.clock.Add(20 * time.Millisecond)
		if s := b.b.relay.session; s != nil {
			most = max(most, len(s.plan.seen.ids))
		}
	}
	if most > 200 {
		t.Errorf("%d ids were in memory, of a window with 60 events", most)
	}
}

// forgetful is a stream of which the ids are read from a replica that lacks some.
type forgetful struct {
	Stream
	lacks map[uint64]bool
}

func (f forgetful) IDs(ctx context.Context, from, to uint64) iter.Seq2[At, error] {
	return func(yield func(At, error) bool) {
		for at, err := range f.Stream.IDs(ctx, from, to) {
			if !f.lacks[at.Seq] && !yield(at, err) {
				return
			}
		}
	}
}

// TestReplicaWithAHole: what a replica lacks is not lost while the leader has it.
func TestReplicaWithAHole(t *testing.T) {
	b := newBench(t)
	b.accept(natstest.Numbered("e", 20)...)
	b.settle()
	b.clock = b.clock.Add(time.Minute)
	b.b.relay.stream = forgetful{b.client, map[uint64]bool{7: true, 8: true}}
	b.model.Configure(func(c *streammodel.Config) { c.Duplicates = time.Second })
	b.model.Elect()
	b.pass(time.Minute)
	b.want(natstest.Numbered("e", 20)...)
}

// TestRefusedAlone: that one subject is refused, for want of a permission or by a limit,
// says nothing of others. While none of another one waits behind it, nothing is set aside.
func TestRefusedAlone(t *testing.T) {
	b := newBench(t)
	b.b.relay.stream = denied{b.client, "treble.a"}
	b.accept(natstest.Numbered("e", 700)...)
	b.pass(time.Hour)
	if len(b.aside) > 0 {
		t.Errorf("%d were set aside, and nothing waits behind them", len(b.aside))
	}
	if err := b.b.Append(context.Background(), []broker.Message{message("treble.b", "other")}); err != nil {
		t.Fatal(err)
	}
	b.pass(2 * time.Minute)
	b.want("other")
}

// denied is a stream of which one subject may not be published to.
type denied struct {
	Stream
	subject string
}

func (d denied) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	for _, m := range msgs {
		if m.Subject == d.subject && len(msgs) > 1 {
			return broker.Result{Status: broker.Refused, Err: errNotOurs}
		} else if m.Subject == d.subject {
			return broker.Result{Status: broker.RefusedSubject, Err: errNotOurs}
		}
	}
	return d.Stream.Publish(ctx, msgs)
}

func (d denied) PublishFast(ctx context.Context, msgs []broker.Message) broker.Result {
	for i, m := range msgs {
		if m.Subject == d.subject {
			d.Stream.PublishFast(ctx, msgs[:i])
			return broker.Result{Err: errNotOurs}
		}
	}
	return d.Stream.PublishFast(ctx, msgs)
}

// TestUpgradeInTheMiddleOfAHealing: an older program noted where the stream ended, and
// had published copies of what was lost. They are found, and not published once more.
func TestUpgradeInTheMiddleOfAHealing(t *testing.T) {
	b := newBench(t)
	if err := b.b.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := b.client.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	created := info.Created
	dir := b.dir + "/old"
	j, err := journal.Open(dir, journal.Options{}, func(journal.Record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	j.Mark(fmt.Appendf(nil, `{"incarnation":%q}`, created.Format(time.RFC3339Nano)))
	for i, id := range natstest.Numbered("e", 20) {
		entry, err := ledger.EncodeEntry(b.clock, []broker.Message{message("treble.a", id)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		seq, err := j.Append(context.Background(), entry)
		if err != nil {
			t.Fatal(err)
		}
		j.Mark(fmt.Appendf(nil, `{"settled":{"entry":%d,"seqs":[%d],"id":%q}}`, seq, i+11, id))
	}
	// The stream fell back to five messages of others, and ours were stored behind them: all
	// but two.
	j.Mark([]byte(`{"fell_back":{"seq":5,"id":""}}`))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		b.model.Write("treble.a", fmt.Sprint("other-", i))
	}
	for _, id := range natstest.Numbered("e", 18) {
		b.model.Write("treble.a", id)
	}
	b.clock = b.clock.Add(time.Hour)
	b.o.Dir = dir
	b.open()
	b.settle()
	b.wantOnce(natstest.Numbered("e", 20)...)
}

// TestForgottenStaysAway: what was removed on purpose does not come back with a stream that
// is made again, also after a restart.
func TestForgottenStaysAway(t *testing.T) {
	b := newBench(t)
	b.accept(natstest.Numbered("e", 5)...)
	b.settle()
	b.pass(3 * time.Minute)
	for _, m := range b.model.Messages() {
		if m.ID == "e-2" {
			if err := b.b.Forget(context.Background(), []uint64{m.Seq}); err != nil {
				t.Fatal(err)
			}
			b.model.Delete(m.Seq)
		}
	}
	b.model.Stop()
	b.model.Start()
	b.pass(time.Minute)
	b.restart()
	b.model.DeleteStream()
	b.model.Create()
	b.pass(time.Minute)
	b.want("e-0", "e-1", "e-3", "e-4")
}

// TestArrayLargerThanABatch is cut between its batches, and stored once.
func TestArrayLargerThanABatch(t *testing.T) {
	for cut := 1; cut <= 3; cut++ {
		b := newBench(t)
		b.accept("first")
		b.settle()
		var msgs []broker.Message
		for _, id := range natstest.Numbered("e", 1000) {
			msgs = append(msgs, message("treble.a", id))
		}
		if err := b.b.Append(context.Background(), msgs); err != nil {
			t.Fatal(err)
		}
		for range cut {
			b.b.step(context.Background())
		}
		b.client.SetUp(false)
		b.restart()
		b.clock = b.clock.Add(time.Hour)
		b.client.SetUp(true)
		b.settle()
		b.want(append([]string{"first"}, natstest.Numbered("e", 1000)...)...)
		if a := b.b.Account(); a.Stored != 1001 {
			t.Errorf("account %+v", a)
		}
	}
}

// TestElectionDuringARefusal: a look at the stream because of a refusal takes nothing for
// compared that was not.
func TestElectionDuringARefusal(t *testing.T) {
	b := newBench(t, func(c *streammodel.Config) { c.Duplicates = time.Second })
	b.accept(natstest.Numbered("e", 3)...)
	if err := b.b.Append(context.Background(), []broker.Message{message("treble.b", "other")}); err != nil {
		t.Fatal(err)
	}
	b.pass(time.Second)
	b.want("e-0", "e-1", "e-2", "other")
	b.model.FallBack(1, false)
	b.model.Configure(func(c *streammodel.Config) { c.Subjects = []string{"treble.a"} })
	b.pass(40 * time.Second) // it is found out, and refused
	b.model.Elect()
	b.model.Delete(2) // by the election: its disk lost it
	b.pass(5 * time.Second)
	b.model.Configure(func(c *streammodel.Config) { c.Subjects = []string{"treble.>"} })
	b.pass(5 * time.Minute)
	b.wantOnce("e-0", "e-1", "e-2", "other")
}
