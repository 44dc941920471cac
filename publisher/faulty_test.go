package publisher_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
)

// faultyStream is the real stream, and what goes wrong with chosen publishes, counted
// from 1.
type faultyStream struct {
	outbox.Stream
	calls atomic.Int64
	looks atomic.Int64
	fault func(call int64) fault
}

// fault is the failure of a publish.
type fault int

const (
	noFault  fault = iota
	refused        // the server does not store it
	lost           // it is not sent
	noAnswer       // it is stored, and its PubAck is lost
)

func faulty(f func(call int64) fault) func(outbox.Stream) outbox.Stream {
	return func(s outbox.Stream) outbox.Stream { return &faultyStream{Stream: s, fault: f} }
}

// Info counts as a look at the stream.
func (s *faultyStream) Info(ctx context.Context) (broker.Info, error) {
	defer s.looks.Add(1)
	return s.Stream.Info(ctx)
}

// looked waits until the bridge has looked at the stream, and at what is missing in it,
// once more from now on.
func (s *faultyStream) looked(t *testing.T) {
	t.Helper()
	before := s.looks.Load()
	natstest.Eventually(t, "a look at the stream", func() bool { return s.looks.Load() > before+3 })
}

var errInjected = errors.New("injected")

func (s *faultyStream) Publish(ctx context.Context, msgs []broker.Message) broker.Result {
	switch s.fault(s.calls.Add(1)) {
	case refused:
		return broker.Result{Status: broker.Refused, Err: errInjected}
	case lost:
		return broker.Result{Err: errInjected}
	case noAnswer:
		s.Stream.Publish(ctx, msgs)
		return broker.Result{Err: errInjected}
	}
	return s.Stream.Publish(ctx, msgs)
}
