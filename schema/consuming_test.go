package schema_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What docs/consuming.md warns of, as the server does it.

// TestMaxDeliverHidesAnEvent: an event that was delivered often enough is
// neither pending nor without an ack; an advisory is all that tells of it.
func TestMaxDeliverHidesAnEvent(t *testing.T) {
	b := startBridge(bodyRead1)
	defer b.stop()
	advisories := must(b.nc.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.TREBLE.twice"))
	consumer := must(b.js.CreateOrUpdateConsumer(t.Context(), "TREBLE", jetstream.ConsumerConfig{
		Durable: "twice", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 2,
	}))
	for range 2 {
		if err := must(consumer.Next(jetstream.FetchMaxWait(30 * time.Second))).Nak(); err != nil {
			t.Fatal(err)
		}
	}
	// The server looks for what to deliver when somebody asks.
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if msg, err := consumer.Next(jetstream.FetchContext(ctx)); err == nil {
			t.Errorf("delivered a third time: sequence %s", msg.Reply())
		}
	}()
	if _, err := advisories.NextMsg(30 * time.Second); err != nil {
		t.Errorf("no advisory: %v", err)
	}
	cancel()
	<-asked
	i := must(consumer.Info(t.Context()))
	if i.NumPending != 0 || i.NumAckPending != 0 {
		t.Errorf("got %d pending and %d without an ack, want it to look as if all were done", i.NumPending, i.NumAckPending)
	}
}

// TestBackOffLengthensNaks: where a consumer has a BackOff, the delay of a nak
// counts from the end of that step, not from now.
func TestBackOffLengthensNaks(t *testing.T) {
	const delay, second = 10 * time.Millisecond, 600 * time.Millisecond
	for _, c := range []struct {
		name    string
		backOff []time.Duration
	}{
		{"without", nil},
		{"with", []time.Duration{50 * time.Millisecond, second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := startBridge(bodyRead1)
			defer b.stop()
			consumer := must(b.js.CreateOrUpdateConsumer(t.Context(), "TREBLE", jetstream.ConsumerConfig{
				Durable: "backoff", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1, BackOff: c.backOff,
			}))
			var last time.Time
			for range 3 {
				msg, err := consumer.Next(jetstream.FetchMaxWait(30 * time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if n := must(msg.Metadata()).NumDelivered; n == 3 && c.backOff != nil && time.Since(last) < second/2 {
					t.Errorf("came again %s after a nak with a delay of %s; want the step of the BackOff", time.Since(last), delay)
				}
				last = time.Now()
				if err := msg.NakWithDelay(delay); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
