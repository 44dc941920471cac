package publisher

import (
	"context"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// Two defects that can be built in on purpose, with the build tag mutate. The
// test that kills the bridge proves with them that it would notice. Without the
// tag their switches are constants, and the compiler leaves all of this out.

// appendLater is the first: a request is answered before its entry is in the
// journal.
func (k *journalAck) appendLater(ctx context.Context, msgs []broker.Message) {
	ctx = context.WithoutCancel(ctx)
	go func() { _, _ = k.journal.Append(ctx, encodeEntry(msgs)) }()
}

// markEarly is the second: an entry counts as settled once it was sent, without
// its PubAck.
func (p *pump) markEarly(w *window) {
	var last journal.Seq
	for _, f := range w.flying[:w.launched] {
		e := f.entry
		if e.seq == last || e.healing || e.seq <= p.ledger.settledUpTo() {
			continue
		}
		last = e.seq
		p.record(mark{Settled: &settlement{Entry: e.seq, Seqs: make([]uint64, len(e.msgs))}})
	}
}
