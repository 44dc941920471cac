package schema_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// exampleBridge stands in for the NATS of a bridge: a NATS server with the
// stream of events.
type exampleBridge struct {
	server *server.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	dir    string
}

// startBridge returns a bridge that has published the events of some bodies. An
// example has nobody to tell of an error, so it panics.
func startBridge(bodies ...string) *exampleBridge {
	dir := must(os.MkdirTemp("", "treble-bridge-example-"))
	s := must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
	}))
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		panic("the NATS server did not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	b := &exampleBridge{server: s, nc: nc, js: must(jetstream.New(nc)), dir: dir}
	b.stream("TREBLE", schema.DefaultPrefix.All())
	for _, body := range bodies {
		b.publish(body)
	}
	log.SetFlags(0) // examples compare what they print, without times
	log.SetOutput(os.Stdout)
	return b
}

func (b *exampleBridge) stream(name, subjects string) {
	must(b.js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: name, Subjects: []string{subjects}, Storage: jetstream.MemoryStorage, Duplicates: 10 * time.Minute,
	}))
}

// publish does with a body of Treble's what the bridge does.
func (b *exampleBridge) publish(body string) schema.Event {
	d := delivery.Parser{}.Parse([]byte(body), delivery.Origin{Source: "default", Received: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)})
	e := d.Events[0]
	b.send(schema.DefaultPrefix.Subject(e.Kind), must(e.Encode()), e.Header())
	return e
}

// replay does with an event what "treble-bridge replay" does.
func (b *exampleBridge) replay(run string, sequence uint64, e schema.Event) {
	h := e.Header()
	h[schema.HeaderMsgID] = []string{run + "." + strconv.FormatUint(sequence, 10)}
	h[schema.HeaderReplayRun] = []string{run}
	b.send(schema.DefaultPrefix.Replay(run, e.Kind), must(e.Encode()), h)
}

func (b *exampleBridge) send(subject string, data []byte, h map[string][]string) {
	must(b.js.PublishMsg(context.Background(), &nats.Msg{Subject: subject, Header: h, Data: data}))
}

// next returns the next message of a durable consumer, as consumed by hand.
func (b *exampleBridge) next(stream, durable string) jetstream.Msg {
	consumer := must(b.js.CreateOrUpdateConsumer(context.Background(), stream, jetstream.ConsumerConfig{
		Durable: durable, AckPolicy: jetstream.AckExplicitPolicy,
	}))
	return must(consumer.Next(jetstream.FetchMaxWait(30 * time.Second)))
}

// printLeft prints what a consumer still has before it, once the server has
// heard its acknowledgements.
func (b *exampleBridge) printLeft(consumer jetstream.Consumer) {
	var i *jetstream.ConsumerInfo
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		i = must(consumer.Info(context.Background()))
		if i.NumPending == 0 && i.NumAckPending == 0 {
			break
		}
	}
	fmt.Printf("left: %d, without an ack: %d\n", i.NumPending, i.NumAckPending)
}

func (b *exampleBridge) stop() {
	log.SetFlags(log.LstdFlags)
	log.SetOutput(os.Stderr)
	b.nc.Close()
	b.server.Shutdown()
	b.server.WaitForShutdown()
	_ = os.RemoveAll(b.dir)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The bodies that the examples post: what happens in two sessions.
const (
	bodyRead1      = `{"session_id": "s-1", "sent_text": "Still coming?", "read_at": "2026-01-01 09:00:02"}`
	bodyResponded1 = `{"session_id": "s-1", "actual_response": "yes", "responded_at": "2026-01-01 09:00:05"}`
	bodyRead2      = `{"session_id": "s-2", "sent_text": "Still coming?", "read_at": "2026-01-01 09:00:07"}`
	bodyClosed1    = `{"event_type": "session.close", "event_id": "e-1", "timestamp": "2026-01-01T09:01:00Z", "session": {"external_id": "s-1"}}`
)
