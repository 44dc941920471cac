package schema_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// errPoison is wrapped by the error of an event that will never go through,
// however often it is tried.
var errPoison = errors.New("poison")

// worker hands events to work and tells the server what came of them.
type worker struct {
	work       func(context.Context, schema.Event) error
	firstDelay time.Duration // until an event that failed comes again
	maxDelay   time.Duration
}

// handle takes one message. Exactly one of ack, nak and term follows; if the
// process dies before it, the message comes again after the consumer's AckWait.
func (w worker) handle(ctx context.Context, msg jetstream.Msg) error {
	event, err := schema.Decode(msg.Data())
	if err != nil {
		return msg.TermWithReason("not an event") // it will not get better
	}
	if event.Kind == schema.KindBridgeProbe {
		return msg.Ack() // the bridge tested itself
	}
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	switch err := w.work(ctx, event); {
	case err == nil:
		return msg.Ack()
	case errors.Is(err, errPoison):
		// The event stays in the stream: its sequence is all that is needed to
		// read it, or to replay it once the defect is mended.
		log.Printf("sequence %d, %s: given up: %v", meta.Sequence.Stream, event.Kind, err)
		return msg.TermWithReason("poison")
	default:
		delay := w.delay(meta.NumDelivered)
		log.Printf("sequence %d, %s: again in %s: %v", meta.Sequence.Stream, event.Kind, delay, err)
		return msg.NakWithDelay(delay)
	}
}

// delay doubles with each delivery, up to maxDelay.
func (w worker) delay(delivered uint64) time.Duration {
	d := w.firstDelay << min(delivered-1, 20)
	return min(d, w.maxDelay)
}

// A durable pull consumer with explicit acknowledgement is what most services
// want. The server remembers how far it is; several processes may share it.
func Example_durableConsumer() {
	ctx := context.Background()
	bridge := startBridge(bodyRead1, bodyResponded1, bodyRead2)
	defer bridge.stop()
	bridge.send("treble.message.read", []byte("hello"), nil) // somebody's mistake

	consumer, err := bridge.js.CreateOrUpdateConsumer(ctx, "TREBLE", jetstream.ConsumerConfig{
		Durable:        "crm",
		FilterSubjects: []string{"treble.message.read", "treble.message.responded"},
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        30 * time.Second, // longer than the longest work, or call msg.InProgress
		MaxDeliver:     -1,               // whether to give up is decided in handle, where it can be told
		MaxAckPending:  100,              // at most so many at work, in all processes together
	})
	if err != nil {
		log.Fatal(err)
	}

	away, settled := true, make(chan string) // the database, and what was done
	w := worker{firstDelay: 10 * time.Millisecond, maxDelay: 5 * time.Minute}
	w.work = func(_ context.Context, e schema.Event) error {
		switch {
		case e.Kind == schema.KindMessageResponded && away:
			away = false
			return errors.New("the database is away")
		case e.Subject == "s-2":
			return fmt.Errorf("%w: this session is not in the database", errPoison)
		}
		settled <- fmt.Sprintf("%s %s: done", e.Subject, e.Kind)
		return nil
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		if err := w.handle(ctx, msg); err != nil {
			log.Print(err) // the connection is gone; the message comes again
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println(<-settled)
	}
	consuming.Drain() // what is buffered is still handled
	<-consuming.Closed()
	bridge.printLeft(consumer)

	// Unordered output:
	// s-1 message.read: done
	// sequence 2, message.responded: again in 10ms: the database is away
	// sequence 3, message.read: given up: poison: this session is not in the database
	// s-1 message.responded: done
	// left: 0, without an ack: 0
}
