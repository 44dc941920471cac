package faults

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// filler is the session of messages that others put into the stream.
const filler = "filler"

// fillerMessage is a message of 1 kB.
var fillerMessage = fmt.Appendf(nil, `{"subject":%q,"text":"%01000d"}`, filler, 0)

// publishFillers puts messages into the stream, in atomic batches: a server that flushes
// before it answers flushes each of them once.
func publishFillers(t *testing.T, js jetstream.JetStream, messages int) {
	t.Helper()
	for from := 0; from < messages; from += 500 {
		n := min(500, messages-from)
		id := nats.NewInbox()
		for i := 1; i < n; i++ {
			if err := js.Conn().PublishMsg(fillerOf(id, i)); err != nil {
				t.Fatalf("message %d: %v", from+i, err)
			}
		}
		last := fillerOf(id, n)
		last.Header.Set("Nats-Batch-Commit", "1")
		answer, err := js.Conn().RequestMsg(last, 30*time.Second)
		if err != nil {
			t.Fatalf("commit %d messages after %d: %v", n, from, err)
		}
		if strings.Contains(string(answer.Data), `"error"`) {
			t.Fatalf("commit %d messages after %d: %s", n, from, answer.Data)
		}
	}
}

// fillerOf is a message of a batch; the first one has the number 1.
func fillerOf(batch string, number int) *nats.Msg {
	m := nats.NewMsg("treble." + filler)
	m.Data = fillerMessage
	m.Header.Set("Nats-Batch-Id", batch[:min(len(batch), 64)])
	m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(number))
	return m
}

// keepPublishing puts a message into the stream every 10 ms until stop is closed.
func keepPublishing(t *testing.T, js jetstream.JetStream, stop <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if _, err := js.Publish(t.Context(), "treble."+filler, fillerMessage); err != nil {
			t.Error(err)
			return
		}
	}
}

// ofLoad returns the sessions without those of others.
func ofLoad(stream []string) []string {
	kept := stream[:0:0]
	for _, s := range stream {
		if s != filler {
			kept = append(kept, s)
		}
	}
	return kept
}
