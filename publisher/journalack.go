package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/schema"
)

// journalAck is the keeper of "ack: journal": durable means flushed to the
// journal. The pump publishes from there.
type journalAck struct {
	journal *journal.Journal
	ledger  *ledger
	pump    *pump
	conn    *broker.Conn
	retain  time.Duration
	log     *zap.Logger
	stop    context.CancelFunc
	done    sync.WaitGroup
}

func (k *journalAck) start() {
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.done.Go(func() { k.pump.run(ctx) })
	k.done.Go(func() { k.upkeep(ctx) })
}

// cancel ends publishing without waiting.
func (k *journalAck) cancel() { k.stop() }

// wait returns when what cancel ended has ended.
func (k *journalAck) wait() { k.done.Wait() }

func (k *journalAck) keep(ctx context.Context, msgs []broker.Message) error {
	if mutateNoAppend {
		k.appendLater(ctx, msgs)
		return nil
	}
	_, err := k.journal.Append(ctx, encodeEntry(msgs))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrUnknown):
		return fmt.Errorf("%w: %w", schema.ErrNoAnswer, err)
	case errors.Is(err, journal.ErrFull), errors.Is(err, syscall.ENOSPC):
		k.makeRoom()
	}
	// Everything else proves that nothing was kept.
	return fmt.Errorf("%w: %w", schema.ErrUnavailable, err)
}

// makeRoom gives up what is retained only to heal losses: to take events comes
// first.
func (k *journalAck) makeRoom() {
	if n, upTo := k.ledger.release(k.pump.clock.now() + 1); n > 0 {
		k.log.Warn("the journal is full: entries that were kept to heal losses of JetStream are given up", zap.Int("entries", n))
		k.journal.Release(upTo)
	}
}

// upkeepEvery is how often settled entries are released.
const upkeepEvery = time.Second

// upkeep releases what was retained long enough, and notes the server's limit
// for a start without NATS.
func (k *journalAck) upkeep(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, upTo := k.ledger.release(k.pump.clock.now() - k.retain)
		k.journal.Release(upTo)
		if state := k.ledger.now(); k.conn.Connected() && state.MaxPayload != k.conn.MaxPayload() {
			k.pump.record(mark{MaxPayload: k.conn.MaxPayload()})
		}
	}
}

// status tells what keeps events out of the journal (unready, if it is what
// accepts), and what keeps them in it.
func (k *journalAck) status(accepts bool, unready, degraded func(format string, args ...any)) {
	stats := k.journal.Stats()
	if stats.Fault != nil {
		report := degraded
		if accepts {
			report = unready
		}
		report("the journal cannot be written: %v; see treble-bridge journal status", stats.Fault)
	}
	if problem := k.pump.problem(); problem != "" && k.conn.Connected() {
		degraded("events wait in the journal: %s; see treble-bridge journal status", problem)
	}
	if stats.Damaged > 0 {
		degraded("the journal is damaged in %d places; see treble-bridge journal verify", stats.Damaged)
	}
}
