package publisher

import (
	"context"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

// streamAck is the keeper of "ack: stream": durable means acknowledged by
// JetStream. It keeps nothing itself.
type streamAck struct {
	sender  *sender
	timeout time.Duration // for all messages of a delivery together
	metrics *metrics
	doubt   func() // called when an answer suggests that the stream is not as it was
}

func (k *streamAck) keep(ctx context.Context, msgs []message) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()

	began := time.Now()
	out := k.sender.send(ctx, msgs)
	k.metrics.published(out, time.Since(began))

	stored := 0
	for i, o := range out {
		if o.fate == fateStored {
			stored++
			continue
		}
		if o.fate == fateRefused || o.fate == fateRefusedEver {
			k.doubt()
		}
		return k.failure(o, msgs[i], stored)
	}
	return nil
}

// failure turns the first outcome that is not stored into an error of Accept.
// If messages before it were stored, part of the delivery will appear, and
// then only "unknown" is true of the delivery as a whole.
func (k *streamAck) failure(o outcome, m message, stored int) error {
	switch {
	case stored > 0:
		return fmt.Errorf("%w: %d of the delivery's events are stored, the next is not: %w", schema.ErrOutcomeUnknown, stored, o.err)
	case o.fate == fateUnknown:
		return fmt.Errorf("%w: %w", schema.ErrOutcomeUnknown, o.err)
	case o.fate == fateRefusedSize:
		limit := min(k.sender.conn.maxPayload(), m.size()-1)
		return fmt.Errorf("refused by NATS: %w", &schema.TooLargeError{Size: m.size(), Limit: limit})
	}
	return fmt.Errorf("%w: %w", schema.ErrUnavailable, o.err)
}
