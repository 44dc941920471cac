package schema_test

import (
	"context"
	"fmt"
	"log"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// rebuild reads every event that is stored now, in the order of the stream, and
// gives each to apply. Nothing is acknowledged and nothing is remembered: it
// begins at the start each time. The client notices a gap and goes back.
func rebuild(ctx context.Context, js jetstream.JetStream, subjects []string, apply func(schema.Event)) error {
	consumer, err := js.OrderedConsumer(ctx, "TREBLE", jetstream.OrderedConsumerConfig{FilterSubjects: subjects})
	if err != nil {
		return err
	}
	if consumer.CachedInfo().NumPending == 0 {
		return nil // nothing is stored, and Messages would wait for the first one
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if event, err := schema.Decode(msg.Data()); err != nil {
			log.Printf("sequence %d: %v", meta.Sequence.Stream, err)
		} else {
			apply(event)
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}

// An ordered consumer suits state that fits into memory: a cache, a report, an
// index that is thrown away.
func Example_rebuildState() {
	bridge := startBridge(bodyRead1, bodyResponded1, bodyRead2, bodyClosed1)
	defer bridge.stop()

	open := map[string]bool{}
	err := rebuild(context.Background(), bridge.js, []string{"treble.>"}, func(e schema.Event) {
		switch {
		case e.Subject == "" || e.Kind == schema.KindBridgeProbe:
		case e.Kind == schema.KindConversationClosed:
			delete(open, e.Subject)
		default:
			open[e.Subject] = true
		}
	})
	fmt.Println("open:", open, err)

	// Output:
	// open: map[s-2:true] <nil>
}
