package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

// fill stores n events on TREBLE, every tenth of them message.timed_out, the others
// message.read.
func fill(t *testing.T, n *natstest.Server, events int) {
	t.Helper()
	all := natstest.Events(natstest.Numbered("e", events+1)[1:]...)
	for i := 9; i < events; i += 10 {
		all[i].Kind, all[i].Data = schema.KindMessageTimedOut, &schema.MessageTimedOut{}
	}
	n.Store(t, all...)
}

// take fetches messages and acknowledges those that ack chooses, by their position
// from 1.
func take(t *testing.T, c jetstream.Consumer, n int, ack func(int) bool) {
	t.Helper()
	batch, err := c.Fetch(n)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for m := range batch.Messages() {
		if i++; ack(i) {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if i != n {
		t.Fatalf("got %d messages, want %d: %v", i, n, batch.Error())
	}
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	const events = 3000
	n := natstest.Start(t)
	fill(t, n, events)
	s := n.Find(t, "TREBLE")
	add := func(cfg jetstream.ConsumerConfig) jetstream.Consumer {
		t.Helper()
		cfg.AckPolicy = jetstream.AckExplicitPolicy
		c, err := s.CreateOrUpdateConsumer(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	all := func(int) bool { return true }
	add(jetstream.ConsumerConfig{Durable: "new"})
	add(jetstream.ConsumerConfig{Durable: "tail", DeliverPolicy: jetstream.DeliverNewPolicy})
	take(t, add(jetstream.ConsumerConfig{Durable: "gap"}), 500, func(i int) bool { return i != 200 })
	take(t, add(jetstream.ConsumerConfig{Durable: "timed-out", FilterSubjects: []string{"treble.message.timed_out", "treble.contact.>"}}), 300, func(i int) bool { return i <= 40 })
	take(t, add(jetstream.ConsumerConfig{Durable: "full", MaxAckPending: 10}), 10, func(int) bool { return false })
	take(t, add(jetstream.ConsumerConfig{Durable: "done", FilterSubject: "treble.message.timed_out"}), 300, all)
	again := add(jetstream.ConsumerConfig{Durable: "again", AckWait: 10 * time.Millisecond, MaxAckPending: 3})
	take(t, again, 3, func(int) bool { return false })
	take(t, again, 3, func(int) bool { return false }) // the same ones, when their time is over
	add(jetstream.ConsumerConfig{Name: "passing"})
	for seq := uint64(201); seq <= 210; seq++ { // behind what "gap" misses, and acknowledged
		if err := s.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PauseConsumer(t.Context(), "new", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}

	c := clienttest.Open(t, clienttest.Options(n.URL))
	states, err := c.Consumers(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range states {
		lines = append(lines, fmt.Sprintf("%s durable=%t pending=%d unacked=%d acked=%d oldest=%d full=%t paused=%t %s",
			s.Name, s.Durable, s.Pending, s.AckPending, s.Acked.Sequence, s.Oldest.Sequence, s.Full, s.Paused, strings.Join(s.Subjects, ",")))
		if (s.Lag > 0) != (s.Outstanding() > 0) || s.Lag > time.Minute {
			t.Errorf("%s: lag %s with %d behind", s.Name, s.Lag, s.Outstanding())
		}
		if s.Name == "again" && s.Redelivered != 3 {
			t.Errorf("again: %d redelivered, want 3", s.Redelivered)
		}
	}
	want := []string{
		"again durable=true pending=2987 unacked=3 acked=0 oldest=1 full=true paused=false ",
		"done durable=true pending=0 unacked=0 acked=3000 oldest=0 full=false paused=false treble.message.timed_out",
		"full durable=true pending=2980 unacked=10 acked=0 oldest=1 full=true paused=false ",
		"gap durable=true pending=2500 unacked=1 acked=199 oldest=200 full=false paused=false ",
		"new durable=true pending=2990 unacked=0 acked=0 oldest=1 full=false paused=true ",
		"passing durable=false pending=2990 unacked=0 acked=0 oldest=1 full=false paused=false ",
		"tail durable=true pending=0 unacked=0 acked=3000 oldest=0 full=false paused=false ",
		"timed-out durable=true pending=0 unacked=260 acked=409 oldest=410 full=false paused=false treble.message.timed_out,treble.contact.>",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if states, err = c.Consumers(t.Context(), false); err != nil || len(states) != 7 {
		t.Errorf("durable only: %d, %v; want 7", len(states), err)
	}
	// What the consumer misses is deleted: the next message that is there counts.
	if err := s.DeleteMsg(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	states, err = c.Consumers(t.Context(), false)
	if err != nil || states[3].Oldest.Sequence != 211 && states[3].Oldest.Sequence != 501 {
		t.Errorf("got %+v, %v; want one that is there", states[3], err)
	}
}

func TestConsumersWithoutStream(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	if _, err := clienttest.Open(t, clienttest.Options(n.URL)).Consumers(t.Context(), false); err == nil || !strings.Contains(err.Error(), "publisher.stream") {
		t.Errorf("got %v, want what to look at", err)
	}
}
