package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// streamName is the stream of every contestant, each on a server of its own.
const streamName = "TREBLE"

// drainPatience bounds the time of events from their 200 to the stream.
const drainPatience = 10 * time.Minute

// stream reads the stream that a contestant publishes to.
type stream struct {
	name string
	nc   *nats.Conn
	js   jetstream.JetStream
	read uint64 // sequence up to which it was read
}

// openStream connects to the server of a stream.
func openStream(url string) (*stream, error) {
	nc, err := nats.Connect(url, nats.Token(token), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &stream{name: streamName, nc: nc, js: js}, nil
}

func (s *stream) close() { s.nc.Close() }

func (s *stream) last(ctx context.Context) (uint64, error) {
	st, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return 0, err
	}
	return st.CachedInfo().State.LastSeq, nil
}

// await waits until the stream holds so many messages more than were read.
func (s *stream) await(ctx context.Context, messages int) error {
	return poll(ctx, func() error {
		last, err := s.lastSoon(ctx)
		if err == nil && last < s.read+uint64(messages) {
			err = fmt.Errorf("the stream is at %d, %d were expected", last, s.read+uint64(messages))
		}
		return err
	})
}

// poll asks again and again until there is no error. It ends with the last one.
func poll(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// lastSoon is last that does not wait for long: a cluster that has no leader yet does not answer, also
// not later.
func (s *stream) lastSoon(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.last(ctx)
}

// account compares a stream with what was answered.
type account struct {
	Missing int `json:"missing"` // answered 2xx and not in the stream
	Extra   int `json:"extra"`   // refused, or never sent, and in the stream
	Twice   int `json:"twice"`   // more than once in the stream
}

func (t *account) add(o account) {
	t.Missing += o.Missing
	t.Extra += o.Extra
	t.Twice += o.Twice
}

func (t account) wrong() bool { return t != account{} }

// check reads what came to the stream since the last time and holds it against
// the outcomes of the runs since then, whose events were numbered from first.
func (s *stream) check(ctx context.Context, first int64, outcomes []load.Outcome) (account, error) {
	return s.checkEach(ctx, first, outcomes, func(jetstream.Msg) error { return nil })
}

// checkEach is check that calls f with every message.
func (s *stream) checkEach(ctx context.Context, first int64, outcomes []load.Outcome, f func(jetstream.Msg) error) (account, error) {
	seen := make([]uint8, len(outcomes))
	var t account
	err := s.each(ctx, func(m jetstream.Msg) error {
		n, ok := load.Number(m.Data())
		switch i := n - first; {
		case !ok:
			return fmt.Errorf("a message without a number: %.200q", m.Data())
		case i < 0 || i >= int64(len(seen)):
			t.Extra++
		case seen[i] > 0:
			t.Twice++
		default:
			seen[i]++
		}
		return f(m)
	})
	for i, o := range outcomes {
		switch {
		case o == load.Answered && seen[i] == 0:
			t.Missing++
		case (o == load.Refused || o == load.Unsent) && seen[i] > 0:
			t.Extra++
		}
	}
	return t, err
}

// each calls f with every message that was not read yet.
func (s *stream) each(ctx context.Context, f func(jetstream.Msg) error) error {
	last, err := s.last(ctx)
	if err != nil || last == s.read {
		return err
	}
	consumer, err := s.js.OrderedConsumer(ctx, s.name, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.read + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for s.read < last {
		m, err := messages.Next()
		if err != nil {
			return errors.Join(err, ctx.Err())
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		s.read = meta.Sequence.Stream
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}
