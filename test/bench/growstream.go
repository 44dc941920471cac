package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// crashEvents is the number of events that a bridge has answered when it is killed.
const crashEvents = 5000

// growStream: how long a bridge needs from its start until the first event that
// it is sent is in the stream, with what the stream holds already. It reconciles
// before it publishes.
func (b *bench) growStream(ctx context.Context, o options, body load.Body) ([]growth, error) {
	g := &growth{Key: "stream", Title: "From a start to the first event in the stream", X: "messages in the stream", Y: "seconds"}
	nodes, err := b.startNodes(ctx, "stream-nats", 1)
	if err != nil {
		return nil, err
	}
	defer func() { nodes[0].Kill() }()
	s := starts{bench: b, nodes: nodes, env: "TREBLE_BRIDGE_NATS_URL=" + nodes.url(), body: body}
	if s.stream, err = openStream(nodes.url()); err != nil {
		return nil, err
	}
	defer s.stream.close()
	if _, err := s.start(ctx); err != nil { // makes the stream
		return nil, err
	}
	for _, x := range upTo(o.bounds.stream, 0, 100_000, 1_000_000) {
		if err := s.stream.fill(ctx, uint64(x)); err != nil {
			return nil, err
		}
		for range o.growthRounds {
			clean, err := s.afterStop(ctx)
			if err != nil {
				return nil, err
			}
			g.add("after a stop", x, clean.Seconds(), nil)
			crashed, err := s.afterCrash(ctx)
			if err != nil {
				return nil, err
			}
			g.add("after kill -9, and a new NATS process", x, crashed.Seconds(), nil)
		}
	}
	s.process.Kill()
	return []growth{g.finish()}, nil
}

// starts starts one bridge again and again, on one data directory.
type starts struct {
	*bench
	nodes   nodes
	stream  *stream
	env     string
	body    load.Body
	process *bridgeProcess
	next    int
}

// start starts the bridge, sends one event and returns how long it took until
// the stream had it.
func (s *starts) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	dataDir := ""
	if s.process != nil {
		dataDir = s.process.dataDir
	}
	p, err := s.startBridge(ctx, "stream", dataDir, true, s.env)
	if err != nil {
		return 0, err
	}
	s.process = p
	if _, err := s.fill(ctx, p.addrs.Ingress, s.body, s.next, 1); err != nil {
		return 0, err
	}
	s.next++
	err = s.stream.awaitNumber(ctx, int64(s.next-1))
	return time.Since(began), err
}

func (s *starts) afterStop(ctx context.Context) (time.Duration, error) {
	if err := s.process.Stop(time.Minute); err != nil {
		return 0, err
	}
	return s.start(ctx)
}

// afterCrash starts a bridge without a past, kills it when it has just answered
// some events, and starts NATS anew, so that the next start has to look for what
// may be lost. What there is to look for is the same each time.
func (s *starts) afterCrash(ctx context.Context) (time.Duration, error) {
	if err := s.process.Stop(time.Minute); err != nil {
		return 0, err
	}
	s.process = nil
	if _, err := s.start(ctx); err != nil {
		return 0, err
	}
	if _, err := s.fill(ctx, s.process.addrs.Ingress, s.body, s.next, crashEvents); err != nil {
		return 0, err
	}
	s.process.Kill()
	s.next += crashEvents
	if err := errors.Join(s.nodes.stop(), s.nodes.start(ctx)); err != nil {
		return 0, err
	}
	return s.start(ctx)
}

// awaitNumber waits until the last message of the stream is the event with a number.
func (s *stream) awaitNumber(ctx context.Context, number int64) error {
	return poll(ctx, func() error { return s.hasLast(ctx, number) })
}

func (s *stream) hasLast(ctx context.Context, number int64) error {
	st, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return err
	}
	m, err := st.GetMsg(ctx, st.CachedInfo().State.LastSeq)
	if err != nil {
		return err
	}
	if n, _ := load.Number(m.Data); n != number {
		return fmt.Errorf("the last event in the stream is %d, %d was expected", n, number)
	}
	return nil
}

// fill publishes small messages, which are no events of the bridge, until the
// stream has so many in all.
func (s *stream) fill(ctx context.Context, messages uint64) error {
	last, err := s.last(ctx)
	if err != nil {
		return err
	}
	js, err := jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return err
	}
	data := make([]byte, 100)
	for ; last < messages; last++ {
		if _, err := js.PublishAsync("treble.unrecognized", data, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
