package schema_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// With MaxAckPending 1 the next event comes only when the one before is settled,
// also after a nak, and however many processes share the consumer. That is the
// order of the stream, at the price of one event at a time.
func Example_inOrder() {
	ctx := context.Background()
	bridge := startBridge(bodyRead1, bodyResponded1, bodyClosed1)
	defer bridge.stop()

	consumer, err := bridge.js.CreateOrUpdateConsumer(ctx, "TREBLE", jetstream.ConsumerConfig{
		Durable:       "ledger",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       30 * time.Second,
		MaxAckPending: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	var failures atomic.Int32
	done := make(chan struct{})
	w := worker{firstDelay: 10 * time.Millisecond, maxDelay: time.Minute}
	w.work = func(_ context.Context, e schema.Event) error {
		if e.Kind == schema.KindMessageResponded && failures.Add(1) <= 2 {
			return errors.New("the ledger is locked")
		}
		fmt.Println(e.Kind)
		if e.Kind == schema.KindConversationClosed {
			close(done)
		}
		return nil
	}
	var processes [2]jetstream.ConsumeContext // they share the work as two processes would
	for i := range processes {
		processes[i], err = consumer.Consume(func(msg jetstream.Msg) {
			if err := w.handle(ctx, msg); err != nil {
				log.Print(err)
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	<-done
	for _, p := range processes {
		p.Drain()
		<-p.Closed()
	}
	bridge.printLeft(consumer)

	// Output:
	// message.read
	// sequence 2, message.responded: again in 10ms: the ledger is locked
	// sequence 2, message.responded: again in 20ms: the ledger is locked
	// message.responded
	// conversation.closed
	// left: 0, without an ack: 0
}
