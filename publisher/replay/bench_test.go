package replay_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

// BenchmarkReplay compares a replay with a bare loop that consumes the same events
// in order and publishes them asynchronously, with as many in flight and without a
// look at what became of them. Both run in turns on one server, into streams alike.
func BenchmarkReplay(b *testing.B) {
	const events = 20000
	br, c := startFilled(b, events)
	var ours, bare time.Duration
	for round := 0; b.Loop(); round++ {
		for _, name := range []string{"OURS", "BARE"} {
			br.Stream(b, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Duplicates: 10 * time.Minute})
		}
		r := newRun(b, c, toSubject("OURS.{kind}"), replay.Options{})
		began := time.Now()
		do(b, r)
		ours += time.Since(began)
		began = time.Now()
		copyBare(b, br, fmt.Sprintf("bare-%d", round), events)
		bare += time.Since(began)
		for _, name := range []string{"OURS", "BARE"} {
			if got := br.StreamInfo(b, name).State.Msgs; got != events {
				b.Fatalf("%s: got %d, want %d", name, got, events)
			}
			if err := br.JS.DeleteStream(b.Context(), name); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/ours.Seconds(), "events/s")
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-loop")
}

func copyBare(b *testing.B, br *broker, run string, events int) {
	js, err := jetstream.New(br.NC, jetstream.WithPublishAsyncMaxPending(replay.MaxInFlight))
	if err != nil {
		b.Fatal(err)
	}
	cons, err := js.OrderedConsumer(context.Background(), "TREBLE", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"treble.>"}})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	n := 0
	cc, err := cons.Consume(func(m jetstream.Msg) {
		if n++; n > events {
			return
		}
		h := nats.Header{"Nats-Msg-Id": {replay.MessageID(run, uint64(n))}}
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: "BARE." + m.Subject(), Header: h, Data: m.Data()}, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Error(err)
		}
		if n == events {
			close(done)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	<-done
	cc.Stop()
	<-js.PublishAsyncComplete()
}
