package outbox

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// counted counts how messages are sent.
type counted struct {
	Stream
	alone, fast, atomic int // messages, batches, batches
}

func (c *counted) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	if len(msgs) == 1 {
		c.alone++
	} else {
		c.atomic++
	}
	return c.Stream.Publish(ctx, msgs)
}

func (c *counted) PublishFast(ctx context.Context, msgs []broker.Message) broker.Result {
	c.fast++
	return c.Stream.PublishFast(ctx, msgs)
}

// countedBench is a bench that has published something, and now has no connection.
func countedBench(t *testing.T, change ...func(*streammodel.Config)) (*bench, *counted) {
	b := newBench(t, change...)
	c := &counted{Stream: b.client}
	b.o.stream = c
	b.b.relay.stream = c
	b.accept("first")
	b.settle()
	b.client.SetUp(false)
	*c = counted{Stream: b.client}
	return b, c
}

// TestRepetitionsInAFastBatch: only what the server left out is sent again, and where the others
// are is known.
func TestRepetitionsInAFastBatch(t *testing.T) {
	b, c := countedBench(t)
	b.accept(natstest.Numbered("e", 100)...)
	b.accept("first", "e-7")
	b.accept(natstest.Numbered("f", 100)...)
	b.client.SetUp(true)
	b.settle()
	b.want(slices.Concat([]string{"first"}, natstest.Numbered("e", 100), natstest.Numbered("f", 100))...)
	if c.alone != 2 || c.fast != 2 || c.atomic != 0 {
		t.Errorf("%+v, want two fast batches, the first to see how long it takes, and two messages", c)
	}
	if a := b.b.Account(); a.Stored != 201 || a.Duplicate != 2 {
		t.Errorf("account %+v", a)
	}
	for entry, want := range map[journal.Seq]uint64{2: 2, 101: 101, 104: 102, 203: 201} {
		if got := b.b.ledger.Sequences(entry); len(got) != 1 || got[0] != want {
			t.Errorf("entry %d is at %v, want %d", entry, got, want)
		}
	}
}

// TestFullInsideAFastBatch: what is stored is settled, and what is refused waits by itself.
func TestFullInsideAFastBatch(t *testing.T) {
	b, c := countedBench(t, func(c *streammodel.Config) { c.MaxMsgs = 51 })
	b.accept(natstest.Numbered("e", 100)...)
	b.client.SetUp(true)
	b.pass(time.Minute)
	if a := b.b.Account(); a.Stored != 51 || a.Pending != 50 || b.b.Problem() == "" {
		t.Errorf("account %+v, problem %q", a, b.b.Problem())
	}
	if c.fast != 2 || c.alone == 0 {
		t.Errorf("%+v, want two batches, and then the message that is refused alone", c)
	}
	b.model.Configure(func(c *streammodel.Config) { c.MaxMsgs = 0 })
	b.settle()
	b.want(append([]string{"first"}, natstest.Numbered("e", 100)...)...)
}

// TestRefusedInsideAFastBatch: no neighbour of a message that is refused for good shares its status.
func TestRefusedInsideAFastBatch(t *testing.T) {
	for _, at := range []int{0, 10, 20} {
		b, _ := countedBench(t, func(c *streammodel.Config) { c.MaxMsgSize = 1000 })
		all := natstest.Numbered("e", 20)
		b.accept(all[:at]...)
		big := message("treble.a", "big")
		big.Data = make([]byte, 2000)
		if err := b.b.Append(context.Background(), []broker.Message{big}); err != nil {
			t.Fatal(err)
		}
		b.accept(all[at:]...)
		b.client.SetUp(true)
		b.settle()
		b.want(append([]string{"first"}, all...)...)
		if !slices.Equal(b.aside, []string{"big:refused"}) {
			t.Errorf("set aside: %v", b.aside)
		}
	}
}

// TestFastBatchesBesideOthers: while another writer is seen in the stream, atomic batches are
// sent, whose sequences are certain.
func TestFastBatchesBesideOthers(t *testing.T) {
	b, c := countedBench(t)
	b.client.Next(streammodel.Fault{Kind: streammodel.Between, Sent: 5, Other: message("treble.a", "other")})
	b.accept(natstest.Numbered("e", 10)...)
	b.client.SetUp(true)
	b.settle()
	b.want(slices.Concat([]string{"first"}, natstest.Numbered("e", 5), []string{"other"}, natstest.Numbered("e", 10)[5:])...)
	b.accept(natstest.Numbered("f", 10)...)
	b.settle()
	if c.fast != 1 || c.atomic != 1 || c.alone != 0 {
		t.Errorf("%+v, want a fast batch and then an atomic one", c)
	}
	b.pass(2 * othersPause)
	b.accept(natstest.Numbered("g", 10)...)
	b.settle()
	if c.fast != 2 {
		t.Errorf("%+v, want a fast batch again when nobody else writes any more", c)
	}
	if a := b.b.Account(); a.Stored != 31 || a.Duplicate != 0 {
		t.Errorf("account %+v", a)
	}
}
