package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// othersPause is the time in which no fast-ingest batch is sent after another writer's messages were seen
// in the stream. While they come, the sequences of each batch would have to be looked up.
const othersPause = time.Minute

// fast reports whether several messages leave as a fast-ingest batch.
func (r *relay) fast() bool {
	info, since := r.session.info, r.cfg.now().Sub(r.othersAt)
	return info.Fast && (since >= othersPause || since < 0 || !info.Batches)
}

// noteEnd notes up to where the stream is known after so many messages of ours were stored, and
// whether another writer was there.
func (r *relay) noteEnd(last uint64, stored int) {
	s := r.session
	if last > s.last+uint64(stored) {
		r.othersAt = r.cfg.now()
	}
	s.last = max(s.last, last)
}

// publishedFast deals with the answer to items that were sent as a fast-ingest batch.
func (r *relay) publishedFast(ctx context.Context, items []*item, res broker.Result) error {
	s := r.session
	switch res.Status {
	case broker.Stored, broker.PartlyStored:
		return r.storedFast(ctx, items, res)
	case broker.Unknown:
		r.wary = true
	case broker.Refused:
		s.info.Fast = false // until the next look: the stream may not take such batches any more
	}
	return r.published(ctx, items, len(items), res)
}

// storedFast settles what is in the stream after a fast-ingest batch: all items that were sent, or
// the first of them.
func (r *relay) storedFast(ctx context.Context, items []*item, res broker.Result) error {
	s := r.session
	state := r.ledger.State()
	if res.Last > 0 && res.Last <= state.Highest {
		return r.doubtBatch(fmt.Errorf("a PubAck has the sequence %d, below one seen before", res.Last))
	}
	items = items[:res.Count]
	if s.last+uint64(len(items)) == res.Last {
		// Nothing was left out, and nothing came between.
		for i, it := range items {
			it.finish(outcome{seq: s.last + 1 + uint64(i)})
		}
	} else {
		// If what was acknowledged before is still in its place, what is new is behind it.
		fell, err := r.fellBack(ctx, state, broker.Info{Created: state.Created, Last: max(res.Last, s.last)})
		switch {
		case err != nil:
			r.endSession()
			return fmt.Errorf("look for a batch: %w", err)
		case fell, state.Highest > 0 && state.HighestID == "":
			return r.doubtBatch(errors.New("the stream did not go up by what was sent to it"))
		}
		if err := r.locate(ctx, items, res.Last); err != nil {
			r.endSession()
			return err
		}
	}
	for _, it := range items {
		delete(r.refusing, it.msg.Subject)
	}
	r.noteEnd(res.Last, len(items))
	r.wary = false
	r.took(len(items))
	if res.Status == broker.PartlyStored {
		s.singles = 1 // it says why it was not stored
	}
	return nil
}

// doubtBatch lets everything be looked for. The next message is sent by itself, so that
// something is settled even if the same happens again.
func (r *relay) doubtBatch(why error) error {
	r.endSession()
	r.doubt, r.wary = true, true
	return fmt.Errorf("%w: %w", errDoubt, why)
}

// locate settles the items that a fast-ingest batch stored, by their ids. The others are
// repetitions, or were removed meanwhile: each is sent by itself, and the server says which.
func (r *relay) locate(ctx context.Context, items []*item, last uint64) error {
	s := r.session
	found := make(map[string][]uint64, len(items)) // of these ids only: others may have stored many
	for _, it := range items {
		found[it.msg.ID] = nil
	}
	for at, err := range r.stream.IDs(ctx, s.last+1, last) {
		if err != nil {
			return fmt.Errorf("look for a batch: %w", err)
		}
		if seqs, wanted := found[at.ID]; wanted {
			found[at.ID] = append(seqs, at.Seq)
		}
	}
	for _, it := range items {
		seqs := found[it.msg.ID]
		if len(seqs) == 0 {
			it.alone = true
			s.plan.sent = max(s.plan.sent, it.entry.seq)
			continue
		}
		it.finish(outcome{seq: seqs[0]})
		found[it.msg.ID] = seqs[1:]
		s.plan.foundUpTo = max(s.plan.foundUpTo, it.entry.seq)
	}
	return nil
}
