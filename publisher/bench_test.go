package publisher_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// BenchmarkDrain compares draining a journal, in order and settled event by
// event, with a bare loop that publishes the same messages asynchronously and
// in no certain order. Both run in turns on one server.
func BenchmarkDrain(b *testing.B) {
	compareDrains(b, natstest.Start(b).URL, 1, 20_000)
}

// BenchmarkDrainReplicated is BenchmarkDrain with a stream of three replicas.
func BenchmarkDrainReplicated(b *testing.B) {
	compareDrains(b, natstest.StartCluster(b).URL(), 3, 10_000)
}

func compareDrains(b *testing.B, url string, replicas, events int) {
	var ours, bare time.Duration
	rounds := 0
	for ; b.Loop(); rounds++ {
		ours += drainOnce(b, benchOptions(b, url, fmt.Sprintf("ours-%d", rounds), replicas), events)
		bare += publishBare(b, benchOptions(b, url, fmt.Sprintf("bare-%d", rounds), replicas), events)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-async")
	b.ReportMetric(float64(rounds*events)/ours.Seconds(), "events/s")
}

func benchOptions(b *testing.B, url, stream string, replicas int) publisher.Options {
	o := options(b, url)
	o.Config.Ack = publisher.AckJournal
	o.Config.Stream, o.Config.SubjectPrefix, o.Config.Replicas = stream, stream, replicas
	return o
}

func drainOnce(b *testing.B, o publisher.Options, events int) time.Duration {
	accepted := make(chan struct{})
	o = o.WithStream(faulty(func(int64) fault { <-accepted; return noFault }))
	p := open(b, o)
	for i := range events {
		if err := p.Accept(b.Context(), deliveryOf(fmt.Sprintf("%020d", i))); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	close(accepted)
	if err := p.Events().Drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	closed(b, p)
	return took
}

func publishBare(b *testing.B, o publisher.Options, events int) time.Duration {
	o.Config.Ack = publisher.AckStream
	p := open(b, o)
	js, err := jetstream.New(p.Conn().NATS(), jetstream.WithPublishAsyncMaxPending(512))
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for i := range events {
		m, err := p.Encode(natstest.Event(fmt.Sprintf("%020d", i), `{"id":"x"}`))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.PublishMsgAsync(m.NATS(), jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	took := time.Since(start)
	closed(b, p)
	return took
}
