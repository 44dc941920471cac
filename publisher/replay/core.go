package replay

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher"
)

// coreTarget publishes to plain subscribers, each event at most once: whoever is
// not there misses it. So that a resumed run repeats nothing after kill -9, the
// record says how far it may come before anything up to there is sent.
type coreTarget struct {
	client  *publisher.Client
	run     string
	subject string // with {kind}
	keeper  *keeper
	block   uint64 // sequences that are put on record ahead; so many a kill may skip

	progress
	// Under progress.mu:
	allowed uint64 // to be put on record
	ended   bool   // nothing is sent any more
}

// coreBlock is coreTarget.block without a rate.
const coreBlock = 2000

func (t *coreTarget) position() (position, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at
	if !t.ended {
		at.Sequence = max(at.Sequence, t.allowed)
	}
	return at, nil
}

func (t *coreTarget) begin(context.Context) error { return nil }

func (t *coreTarget) send(ctx context.Context, e event) error {
	t.mu.Lock()
	if e.Sequence > t.allowed {
		t.allowed = e.Sequence + t.block - 1
	}
	t.mu.Unlock()
	if err := t.keeper.await(ctx, func(p position) bool { return p.Sequence >= e.Sequence }); err != nil {
		return err
	}
	err := t.client.Conn().PublishMsg(&nats.Msg{Subject: subjectFor(t.subject, e.kind), Header: header(t.run, e), Data: e.Data})
	if err != nil {
		return judgeCore(e, err)
	}
	t.has(e)
	return nil
}

// settle flushes. What a lost connection had not sent is lost.
func (t *coreTarget) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if err := t.client.Conn().FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

func (t *coreTarget) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return nil
}

// judgeCore: what the client refuses, it never sends.
func judgeCore(e event, err error) error {
	err = fmt.Errorf("publish event %s, at sequence %d: %w", e.id, e.Sequence, err)
	if refusedByClient(err) {
		return finalError{err}
	}
	return err
}

// blockFor is how many sequences to put on record ahead at a rate.
func blockFor(rate float64) uint64 {
	if rate <= 0 {
		return coreBlock
	}
	return uint64(min(coreBlock, max(1, rate*heartbeat.Seconds())))
}
