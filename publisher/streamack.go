package publisher

import (
	"context"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/schema"
)

// streamAck is "ack: stream": durable means acknowledged by JetStream. It keeps
// nothing itself.
type streamAck struct {
	backlog *outbox.Outbox // of a time with "ack: journal", which goes first; nil if there is none
	stream  *broker.Stream
	timeout time.Duration // for all messages of a delivery together
	metrics *metrics
	takes   func(subject string) bool // whether the stream captures a subject, as it was last seen
	doubt   func()                    // called when an answer suggests that the stream is not as it was
}

func newStreamAck(p *Publisher) *streamAck {
	return &streamAck{backlog: p.events, stream: p.stream, timeout: p.cfg.AckTimeout, metrics: p.metrics, takes: p.streams.captures, doubt: p.streams.check}
}

func (k *streamAck) keep(ctx context.Context, msgs []broker.Message) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	if k.backlog != nil && !k.backlog.Drained() {
		if err := k.backlog.Drain(ctx); err != nil {
			return fmt.Errorf("%w: events that were accepted before wait in the journal: %w", schema.ErrUnavailable, err)
		}
	}
	for _, m := range msgs {
		if !k.takes(m.Subject) {
			k.doubt()
			return fmt.Errorf("%w: stream %s does not take %s, as far as is known", schema.ErrUnavailable, k.stream.Name(), m.Subject)
		}
	}
	began, stored, duplicates := time.Now(), 0, 0
	defer func() { k.metrics.published(stored-duplicates, duplicates, stored == len(msgs), time.Since(began)) }()
	for _, m := range msgs {
		switch r := k.stream.Publish(ctx, []broker.Message{m}); r.Fate {
		case broker.Stored:
			stored++
			if r.Duplicate {
				duplicates++
			}
		case broker.Refused, broker.RefusedSubject, broker.RefusedEver:
			k.doubt()
			return k.failure(r, m, stored)
		default:
			return k.failure(r, m, stored)
		}
	}
	return nil
}

// failure turns the first outcome that is not stored into an error of Accept.
// If messages before it were stored, part of the delivery will appear, and
// then only "unknown" is true of the delivery as a whole.
func (k *streamAck) failure(r broker.Result, m broker.Message, stored int) error {
	switch {
	case stored > 0:
		return fmt.Errorf("%w: %d of the delivery's events are stored, the next is not: %w", schema.ErrOutcomeUnknown, stored, r.Err)
	case r.Fate == broker.Unknown:
		return fmt.Errorf("%w: %w", schema.ErrOutcomeUnknown, r.Err)
	case r.Fate == broker.RefusedSize:
		limit := min(k.stream.Limit(), m.Size()-1)
		return fmt.Errorf("refused by NATS: %w", &schema.TooLargeError{Size: m.Size(), Limit: limit})
	}
	return fmt.Errorf("%w: %w", schema.ErrUnavailable, r.Err)
}
