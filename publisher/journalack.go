package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// journalAck is "ack: journal": durable means flushed to the journal of the outbox,
// which publishes from there.
type journalAck struct{ outbox *outbox.Outbox }

func (k *journalAck) keep(ctx context.Context, msgs []broker.Message) error {
	switch err := k.outbox.Append(ctx, msgs); {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrUnknown):
		return fmt.Errorf("%w: %w", delivery.ErrNoAnswer, err)
	default: // everything else proves that nothing was kept
		return fmt.Errorf("%w: %w", delivery.ErrUnavailable, err)
	}
}
