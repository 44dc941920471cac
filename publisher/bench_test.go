package publisher

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
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
		ours += drainOnce(b, benchOptions(b, s, fmt.Sprintf("ours-%d", round), 1), events)
		bare += publishBare(b, benchOptions(b, s, fmt.Sprintf("bare-%d", round), 1), events)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-async")
}

// BenchmarkDrainReplicated is BenchmarkDrain with a stream of three replicas,
// where one message is in flight at a time.
func BenchmarkDrainReplicated(b *testing.B) {
	const events = 1000
	s := startCluster(b)
	var ours, bare time.Duration
	for round := 0; b.Loop(); round++ {
		ours += drainOnce(b, benchOptions(b, s, fmt.Sprintf("ours-%d", round), 3), events)
		bare += publishBare(b, benchOptions(b, s, fmt.Sprintf("bare-%d", round), 3), events)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare-async")
}

// startCluster starts three servers in this process and returns one of them.
// They must know each other's address before they start, so their ports are
// reserved for a moment first.
func startCluster(b *testing.B) *server.Server {
	b.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		l.Close()
	}
	var servers []*server.Server
	for i, port := range ports {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: b.TempDir(), JetStreamMaxStore: 1 << 40,
			Cluster: server.ClusterOpts{Name: "bench", Host: "127.0.0.1", Port: port},
			Routes:  routes,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		go s.Start()
		servers = append(servers, s)
	}
	for deadline := time.Now().Add(30 * time.Second); !servers[0].ReadyForConnections(time.Second) || !slices.ContainsFunc(servers, (*server.Server).JetStreamIsLeader); {
		if time.Now().After(deadline) {
			b.Fatal("the cluster has no leader")
		}
	}
	return servers[0]
}

func benchOptions(b *testing.B, s *server.Server, stream string, replicas int) Options {
	o := Options{Config: DefaultConfig(), NATS: DefaultNATSConfig(), Journal: DefaultJournalConfig(), DataDir: b.TempDir(), MaxBody: 1 << 20}
	o.NATS.URL = s.ClientURL()
	o.Config.Stream, o.Config.SubjectPrefix, o.Config.Replicas = stream, stream, replicas
	return o
}

func drainOnce(b *testing.B, o Options, events int) time.Duration {
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

func publishBare(b *testing.B, o Options, events int) time.Duration {
	o.Config.Ack = AckStream
	p, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(p.conn.NATS(), jetstream.WithPublishAsyncMaxPending(inFlight))
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for i := range events {
		m, err := eventMessage(p.prefix, anEvent(fmt.Sprintf("%020d", i), `{"id":"x"}`))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.PublishMsgAsync(m.NATS()); err != nil {
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
