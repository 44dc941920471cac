package publisher

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkDrain compares draining a journal, in order and settled entry by
// entry, with a bare loop that publishes the same messages asynchronously and
// in no certain order. Both run in turns on one server.
func BenchmarkDrain(b *testing.B) {
	const events = 5000
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: b.TempDir(), JetStreamMaxStore: 1 << 40,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	var ours, bare time.Duration
	for round := 0; b.Loop(); round++ {
		ours += drainOnce(b, s, round, events)
		bare += publishBare(b, s, round, events)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-async")
}

func benchOptions(b *testing.B, s *server.Server, stream string) Options {
	o := Options{Config: DefaultConfig(), NATS: DefaultNATSConfig(), Journal: DefaultJournalConfig(), DataDir: b.TempDir(), MaxBody: 1 << 20}
	o.NATS.URL = s.ClientURL()
	o.Config.Stream, o.Config.SubjectPrefix = stream, stream
	return o
}

func drainOnce(b *testing.B, s *server.Server, round, events int) time.Duration {
	o := benchOptions(b, s, fmt.Sprintf("ours-%d", round))
	accepted := make(chan struct{})
	o.async = refusing(func(int64) (string, string) { <-accepted; return "", "" })
	p, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	for i := range events {
		if err := p.Accept(b.Context(), delivery(fmt.Sprintf("%020d", i))); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	close(accepted)
	if err := p.journal.pump.drain(b.Context()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		b.Fatal(err)
	}
	return took
}

func publishBare(b *testing.B, s *server.Server, round, events int) time.Duration {
	o := benchOptions(b, s, fmt.Sprintf("bare-%d", round))
	o.Config.Ack = AckStream
	p, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(p.conn.nc, jetstream.WithPublishAsyncMaxPending(inFlight))
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for i := range events {
		m, err := eventMessage(p.prefix, p.cfg.Stream, anEvent(fmt.Sprintf("%020d", i), `{"id":"x"}`))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.PublishMsgAsync(m.nats()); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	took := time.Since(start)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		b.Fatal(err)
	}
	return took
}
