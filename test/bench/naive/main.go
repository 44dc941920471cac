// Command naive is the webhook receiver that one writes in an afternoon: it
// answers 200 when JetStream has acknowledged the event. It has no journal, so
// while NATS is away it refuses, and it is as durable as JetStream's own sync.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/webhook"
)

// envelope is a CloudEvent, as one would write it by hand.
type envelope struct {
	SpecVersion     string               `json:"specversion"`
	ID              string               `json:"id"`
	Type            string               `json:"type"`
	Source          string               `json:"source"`
	Subject         string               `json:"subject"`
	Time            time.Time            `json:"time"`
	DataContentType string               `json:"datacontenttype"`
	Data            *webhook.MessageRead `json:"data"`
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	// The settings of the bridge's own stream, so that the server does the same work.
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name:        os.Getenv("STREAM"),
		Subjects:    []string{"treble.>"},
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxAge:      30 * 24 * time.Hour,
		Duplicates:  10 * time.Minute,
		AllowDirect: true,
	}); err != nil {
		return err
	}
	return webhook.Serve(os.Getenv("ADDR_FILE"), os.Getenv("TOKEN"), func(event *webhook.MessageRead) error {
		return publish(js, event)
	})
}

func publish(js jetstream.JetStream, event *webhook.MessageRead) error {
	id := "read-" + event.SessionID
	data, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: id, Type: "ai.treble.message.read", Source: "/treble/default",
		Subject: event.SessionID, Time: time.Now().UTC(), DataContentType: "application/json", Data: event,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	msg := nats.NewMsg("treble.message.read")
	msg.Header.Set(jetstream.MsgIDHeader, id)
	msg.Data = data
	_, err = js.PublishMsg(ctx, msg)
	return err
}
