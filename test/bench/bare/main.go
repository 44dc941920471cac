// Command bare publishes messages from a file as fast as JetStream's client can:
// asynchronously, 512 in flight, with message ids, in no certain order if one is
// refused. The drain of the bridge's backlog is compared to it.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/message"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	f, err := os.Open(os.Getenv("FILE"))
	if err != nil {
		return err
	}
	defer f.Close()
	nc, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	defer nc.Close()
	var failed atomic.Pointer[error]
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(512),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { failed.Store(&err) }))
	if err != nil {
		return err
	}
	for r := bufio.NewReaderSize(f, 1<<20); ; {
		id, data, err := message.Read(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		m := nats.NewMsg(os.Getenv("SUBJECT"))
		m.Header.Set(jetstream.MsgIDHeader, id)
		m.Header.Set("Content-Type", "application/cloudevents+json")
		m.Header.Set("Treble-Kind", "message.read")
		m.Data = data
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		return errors.New("some messages were never acknowledged")
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("publish: %w", *err)
	}
	return nil
}
