package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// filler is the session of messages that others put into the stream.
const filler = "filler"

// fillerMessage is one of them, of 1 kB.
var fillerMessage = fmt.Appendf(nil, `{"subject":%q,"text":"%01000d"}`, filler, 0)

// publishFillers puts messages into the stream.
func publishFillers(t *testing.T, js jetstream.JetStream, messages int) {
	t.Helper()
	const inFlight = 1000
	for i := range messages {
		if _, err := js.PublishAsync("treble."+filler, fillerMessage, jetstream.WithStallWait(30*time.Second)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if i%inFlight == inFlight-1 || i == messages-1 {
			select {
			case <-js.PublishAsyncComplete():
			case <-time.After(30 * time.Second):
				t.Fatalf("%d messages are not acknowledged", js.PublishAsyncPending())
			}
		}
	}
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
