package publisher

import (
	"context"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// streamAck is the keeper of "ack: stream": durable means acknowledged by
// JetStream. It keeps nothing itself. Requests that wait together leave as one batch.
type streamAck struct {
	batcher *broker.Batcher
	limit   func() int64  // of a message
	timeout time.Duration // for all messages of a delivery together
	metrics *metrics
	doubt   func() // called when an answer suggests that the stream is not as it was
}

func (k *streamAck) keep(ctx context.Context, msgs []broker.Message) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()

	began := time.Now()
	o := k.batcher.Publish(ctx, msgs)
	switch o.Fate {
	case broker.Stored:
		k.metrics.published(len(msgs)-o.Duplicates, o.Duplicates, time.Since(began))
		return nil
	case broker.Unknown:
		return fmt.Errorf("%w: %w", schema.ErrOutcomeUnknown, o.Err)
	case broker.RefusedSize:
		size := int64(0)
		for _, m := range msgs {
			size = max(size, m.Size())
		}
		return fmt.Errorf("refused by NATS: %w", &schema.TooLargeError{Size: size, Limit: min(k.limit(), size-1)})
	case broker.Refused, broker.RefusedSubject, broker.RefusedEver:
		k.doubt()
	}
	return fmt.Errorf("%w: %w", schema.ErrUnavailable, o.Err)
}
