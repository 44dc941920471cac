package publisher

import (
	"context"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/batcher"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// streamAck is "ack: stream": durable means acknowledged by JetStream. It keeps
// nothing itself. Requests that wait together leave as one batch.
type streamAck struct {
	backlog *outbox.Outbox // of a time with "ack: journal", which goes first; nil if there is none
	batcher *batcher.Batcher
	stream  *broker.Stream
	timeout time.Duration // for all messages of a delivery together
	metrics *metrics
	takes   func(subject string) bool // whether the stream captures a subject, as it was last seen
	doubt   func()                    // called when an answer suggests that the stream is not as it was
}

func newStreamAck(p *Publisher) *streamAck {
	return &streamAck{
		backlog: p.events, batcher: p.batcher, stream: p.stream, timeout: p.cfg.AckTimeout,
		metrics: p.metrics, takes: p.streams.Captures, doubt: p.streams.Wake,
	}
}

func (k *streamAck) keep(ctx context.Context, msgs []broker.Message) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if k.backlog != nil && !k.backlog.Drained() {
		if err := k.backlog.Drain(ctx); err != nil {
			return fmt.Errorf("%w: events that were accepted before wait in the journal: %w", delivery.ErrUnavailable, err)
		}
	}
	for _, m := range msgs {
		if !k.takes(m.Subject) {
			k.doubt()
			return fmt.Errorf("%w: stream %s does not take %s, as far as is known", delivery.ErrUnavailable, k.stream.Name(), m.Subject)
		}
	}
	began := time.Now()
	o := k.batcher.Publish(ctx, msgs)
	switch o.Status {
	case broker.Stored:
		k.metrics.published(len(msgs)-o.Duplicates, o.Duplicates, time.Since(began))
		return nil
	case broker.Unknown:
		return fmt.Errorf("%w: %w", delivery.ErrOutcomeUnknown, o.Err)
	case broker.RefusedSize:
		size := int64(0)
		for _, m := range msgs {
			size = max(size, m.Size())
		}
		return fmt.Errorf("refused by NATS: %w", &delivery.TooLargeError{Size: size, Limit: min(k.stream.Limit(), size-1)})
	case broker.Refused, broker.RefusedSubject, broker.RefusedForGood:
		k.doubt()
	}
	return fmt.Errorf("%w: %w", delivery.ErrUnavailable, o.Err)
}
