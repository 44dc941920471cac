package outbox

import (
	"context"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// Two defects that can be built in on purpose, with the build tag mutate. The test that
// kills the bridge proves with them that it would notice. Without the tag their
// switches are constants, and the compiler leaves all of this out.

// appendLater is the first: Append returns before the entry is in the journal.
func (b *Outbox) appendLater(ctx context.Context, msgs []broker.Message) {
	entry := encodeEntry(b.o.now(), msgs)
	go func() {
		_, _ = b.journal.Append(context.WithoutCancel(ctx), entry)
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}()
}

// markEarly is the second: a message counts as settled before it is sent, and its PubAck
// is hardly waited for.
func (r *relay) markEarly(ctx context.Context, group []*item, msgs []broker.Message) {
	for _, it := range group {
		if it.known == nil {
			it.known = &outcome{seq: nowhere}
		}
	}
	r.settleKnown()
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	r.stream.Publish(ctx, msgs)
}
