package publisher

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Accept returns nil when every event of the delivery is durable, or when it
// was a duplicate of one that is. Otherwise its error wraps one of:
//
//   - delivery.ErrUnavailable: nothing of the delivery will appear;
//   - delivery.ErrNoAnswer: it may be in the journal, and may appear ("ack: journal");
//   - delivery.ErrOutcomeUnknown: some or all of it may appear ("ack: stream");
//   - *delivery.TooLargeError: nothing will appear; the delivery is in set-aside.
//
// Any other error is a defect of ours, and nothing was sent. For a rejected body
// Accept returns nil: it is in the journal of refused bodies then, and goes to the
// quarantine from there; what could not be kept is counted and logged.
//
// It returns when ctx ends at the latest, and with "ack: stream" within
// Config.AckTimeout.
func (p *Publisher) Accept(ctx context.Context, d delivery.Delivery) error {
	if !p.begin() {
		return fmt.Errorf("shutting down: %w", delivery.ErrUnavailable)
	}
	defer p.inFlight.Done()

	if d.Rejection != nil {
		// The body itself, twice: what is around it is bounded.
		if err := p.shares.refused.take(d.Source, d.Share, 1, 2*int64(len(d.Body))); err != nil {
			p.quarantine.Lose(d, err)
			return nil
		}
		p.quarantine.Keep(ctx, d)
		return nil
	}
	enc := encoders.Get().(*encoder)
	msgs, err := p.keep(ctx, d, enc)
	if err == nil {
		enc.release()
		return nil
	}
	// Both ways to be too large meet here: our own measure before anything was
	// sent, and the server's word if its limit shrank meanwhile.
	if tooLarge, ok := errors.AsType[*delivery.TooLargeError](err); ok {
		p.keepAside(ctx, d, msgs, tooLarge.Limit)
	}
	p.metrics.failed(err)
	return err
}

// keep makes the events durable, and returns them as they were encoded last. A limit that
// refuses them is asked for again first, since it may be another one by now.
func (p *Publisher) keep(ctx context.Context, d delivery.Delivery, enc *encoder) (msgs []broker.Message, err error) {
	for again := true; ; again = false {
		limit := p.limit()
		msgs, err = enc.encode(p.prefix, d.Events, limit)
		if err != nil && p.cfg.Ack == AckStream && !p.conn.Connected() {
			// The limit of a server that was never met is a guess, and nothing can
			// be stored now anyway.
			err = fmt.Errorf("%w: %w", delivery.ErrUnavailable, link.ErrNotConnected)
		}
		if err == nil {
			err = p.shares.events.take(d.Source, d.Share, len(msgs), sizeOf(msgs))
		}
		if err == nil {
			err = p.ack.keep(ctx, msgs)
		}
		if !again || !errors.Is(err, delivery.ErrTooLarge) || !p.refreshLimit(ctx, limit) {
			return msgs, err
		}
	}
}

// limit is the size of the largest message that NATS takes, headers included.
func (p *Publisher) limit() int64 {
	limit := p.conn.MaxPayload()
	if own := p.streams.MaxMsgSize(); own > 0 && own < limit {
		limit = own
	}
	return limit
}

// refreshLimit asks NATS for its limits again, and reports whether they are others than that
// which was used.
func (p *Publisher) refreshLimit(ctx context.Context, used int64) bool {
	if p.streams.RefreshSize(ctx); p.limit() == used {
		p.conn.RefreshLimit(ctx, p.conn.MaxPayload())
	}
	return p.limit() != used
}

// keepAside writes the messages of a refused delivery to set-aside, and waits for that
// until the deadline of the request. That it fails does not change the answer: the event is
// refused either way.
func (p *Publisher) keepAside(ctx context.Context, d delivery.Delivery, msgs []broker.Message, limit int64) {
	for _, m := range msgs {
		reason := setaside.TooLarge
		if m.Size() <= limit {
			reason = setaside.WithTooLarge
		}
		err := p.shares.setAside.take(d.Source, d.Share, 1, m.Size())
		if err == nil {
			err = p.setAside.Put(ctx, m, reason)
		}
		if err != nil {
			p.log.Error("refused event could not be set aside in time",
				zap.String("id", m.ID), zap.String("reason", reason), zap.Error(err))
		}
	}
}

// sizeOf is the size of messages together.
func sizeOf(msgs []broker.Message) (size int64) {
	for _, m := range msgs {
		size += m.Size()
	}
	return size
}
