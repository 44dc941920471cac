// Command consumer prints what happens to messages, and acknowledges each event. It is
// the consumer of the README, which a test keeps equal to this file and runs.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	url := os.Getenv("NATS_URL")
	if url == "" {
		url = nats.DefaultURL
	}
	nc, err := nats.Connect(url)
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	// The server remembers how far a durable consumer is: after a restart it
	// goes on where it was.
	consumer, err := js.CreateOrUpdateConsumer(ctx, "TREBLE", jetstream.ConsumerConfig{
		Durable:        "readme",
		FilterSubjects: []string{"treble.message.*"},
		AckPolicy:      jetstream.AckExplicitPolicy,
	})
	if err != nil {
		log.Fatal(err)
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		event, err := schema.Decode(msg.Data())
		if err != nil {
			log.Print(err)
			_ = msg.TermWithReason("not an event") // it will not get better
			return
		}
		switch data := event.Data.(type) {
		case *schema.MessageRead:
			fmt.Printf("%s read at %s\n", data.SessionID, event.Time.Format(time.RFC3339))
		case *schema.MessageResponded:
			fmt.Printf("%s answered at %s\n", data.SessionID, event.Time.Format(time.RFC3339))
		default:
			fmt.Printf("%s %s\n", event.Subject, event.Kind)
		}
		_ = msg.Ack() // only now is it done; without it the server delivers it again
	})
	if err != nil {
		log.Fatal(err)
	}
	select {
	case <-ctx.Done():
		consuming.Drain() // what is buffered is still handled
		<-consuming.Closed()
	case <-consuming.Closed():
		log.Fatal("the consumer was deleted") // started again, this makes it again
	}
}
