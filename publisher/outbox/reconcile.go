package outbox

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// plan says what reconciling found: what must be published again, and what must not
// be published.
type plan struct {
	lost []lostEntry // settled, and to be published again, in order
	more bool        // there are more of them
	sent journal.Seq // entries behind this one were never sent
	// found are the messages that are in the stream though they are not settled: their
	// sequences by id, in order.
	found map[string][]uint64
	// foundUpTo is the last entry of which a message was found so.
	foundUpTo journal.Seq
	seen      *repeats

	// resent: messages that may have been sent are not found, and are sent again.
	resent bool
	moved  bool // the stream fell back, or is another one
	full   bool // every retained message was looked for
	floor  uint64
}

// lostEntry is a settled entry of which JetStream lost messages.
type lostEntry struct {
	entry    journal.Seq
	messages []int    // indexes of the lost ones
	seqs     []uint64 // where its messages were
}

// take returns the sequence of a message that may have been sent, and is in the
// stream. The next message with its id is another event, at another sequence.
func (p *plan) take(e *openEntry, id string) (uint64, bool) {
	if e.seq > p.sent {
		return 0, false
	}
	at := p.found[id]
	if len(at) == 0 {
		return 0, false
	}
	p.found[id] = at[1:]
	p.seen.add(id, e.accepted)
	return at[0], true
}

// reconcile compares the journal with the stream, by identity. Nothing is published
// before, after a start, a new connection or a doubt.
//
// What was settled is looked for only if the stream may lack it: another stream of
// that name, one that ends before what it had acknowledged, or one that was recovered
// from a disk or by an election. A message that is not at its sequence is then
// looked for by its id; one that is nowhere was lost, or removed on purpose: see
// missing. What may have been sent and is not settled is looked for by its id too,
// from where it can be at the earliest.
func (r *relay) reconcile(ctx context.Context) (broker.Info, plan, error) {
	r.scanned.Store(0)
	if t := r.cfg.Target; t != r.ledger.State().Target {
		if err := r.retarget(ctx, t); err != nil {
			return broker.Info{}, plan{}, err
		}
	}
	info, err := r.stream.Info(ctx)
	if err != nil {
		return info, plan{}, err
	}
	state, kept := r.ledger.Snapshot()
	last := r.journal.Stats().Last
	p := plan{sent: min(state.Sent, last), floor: state.Floor, seen: &repeats{}}
	another := !state.Created.Equal(info.Created)
	first := state.Created.IsZero() && state.Sent <= state.Done
	if first {
		p.floor = info.Last // nothing was ever sent to it
	}
	fell, err := r.fellBack(ctx, state, info)
	if err != nil {
		return info, p, err
	}
	l := lookup{relay: r, info: info, state: state, retained: kept, another: another && !first}
	l.restarted = another || fell || r.doubt || state.Leader != info.Leader
	if !first && p.sent > state.Done {
		if err := l.wantUnsettled(p.sent); err != nil {
			return info, p, err
		}
	}
	p.full = l.restarted || holes(info) != state.Holes
	if p.full {
		if err := l.misplaced(ctx); err != nil {
			return info, p, err
		}
	}
	switch {
	case l.another:
		p.floor = 0
	case fell, r.doubt:
		// Sequences began anew, nobody knows where: behind what is still in its place.
		p.floor = min(p.floor, l.inPlace)
	}
	if err := l.search(ctx, p.floor); err != nil {
		return info, p, err
	}
	var all bool
	p.foundUpTo, all = l.foundUpTo()
	p.resent = !all
	p.found, p.more, p.moved = l.unsettledAt, l.more, l.another || fell
	if p.lost, err = l.classify(ctx); err != nil {
		return info, p, err
	}
	if len(p.lost) > 0 || p.moved {
		err = r.noteFallBack(ctx, p, state, info)
	}
	return info, p, err
}

// retarget begins with another stream or prefix, as the configuration has it now. What is
// pending goes there.
func (r *relay) retarget(ctx context.Context, t ledger.Target) error {
	if before := r.ledger.State().Target; before == (ledger.Target{}) {
		r.record(ledger.Mark{Target: &t}) // an older program did not write it down
		return nil
	} else if before.Stream != t.Stream || before.Prefix != t.Prefix {
		r.log.Warn("the configuration names another stream or prefix: what is pending is published there, and what was published before stays where it is",
			zap.String("stream", t.Stream), zap.String("prefix", t.Prefix), zap.String("stream_before", before.Stream), zap.String("prefix_before", before.Prefix))
	}
	return r.recordFirst(ctx, ledger.Mark{Target: &t})
}

// fellBack reports whether a stream ends before what it acknowledged to us, or has
// another message there.
func (r *relay) fellBack(ctx context.Context, s ledger.State, info broker.Info) (bool, error) {
	switch {
	case !s.Created.Equal(info.Created), s.Highest == 0:
		return false, nil
	case s.Highest > info.Last:
		return true, nil
	case s.HighestID == "":
		return false, nil
	}
	id, there, err := r.stream.ID(ctx, s.Highest)
	return there && id != s.HighestID, err
}

// end returns the last sequence of the stream, and the id of the message there, so that
// it is noticed when the sequence is used again.
func (r *relay) end(ctx context.Context, info broker.Info) (uint64, string, error) {
	if info.Messages == 0 {
		return info.Last, "", nil
	}
	id, _, err := r.stream.ID(ctx, info.Last)
	return info.Last, id, err
}

// holes returns the number of messages that were deleted between the first and the last.
func holes(i broker.Info) uint64 {
	if i.First == 0 || i.Last < i.First {
		return 0
	}
	return i.Last - i.First + 1 - min(i.Messages, i.Last-i.First+1)
}

// noteFallBack writes down, before anything is published again, that sequences begin anew
// behind what the stream has now, and that copies of retained messages may be there.
func (r *relay) noteFallBack(ctx context.Context, p plan, s ledger.State, info broker.Info) error {
	next := s.Baseline
	next.Floor = p.floor
	if p.moved {
		var err error
		if next.Highest, next.HighestID, err = r.end(ctx, info); err != nil {
			return err
		}
	}
	if next.Healing == 0 || next.Healing > info.Last+1 {
		next.Healing = info.Last + 1
	}
	if len(p.lost) > 0 {
		r.log.Error("JetStream lost events that it had acknowledged; those still in the journal are published again",
			zap.Int("entries", len(p.lost)), zap.Bool("more", p.more), zap.Bool("new_stream", !s.Created.Equal(info.Created)),
			zap.Uint64("acknowledged_up_to", s.Highest), zap.Uint64("stream_ends_at", info.Last))
	}
	return r.recordFirst(ctx, ledger.Mark{Baseline: &next})
}

// noteBaseline writes down the state of the stream when all that had been settled was
// there.
func (r *relay) noteBaseline(ctx context.Context, s *session) error {
	before := r.ledger.State()
	next := before.Baseline
	next.Created, next.Leader = s.info.Created, s.info.Leader
	next.First, next.Holes = max(s.info.First, 1), holes(s.info)
	next.Floor = s.plan.floor
	if !before.Created.Equal(next.Created) && before.Created.IsZero() {
		var err error
		if next.Highest, next.HighestID, err = r.end(ctx, s.info); err != nil {
			return err
		}
	}
	if s.plan.full {
		next.Healing = 0
	}
	if from := s.plan.floor + 1; s.plan.resent && (next.Healing == 0 || from < next.Healing) {
		next.Healing = from // where a backup may have what is not found now
	}
	if before.Sent > s.plan.sent+sentLease {
		// Anything might have been sent, and what was is found. It must not stay so, or each
		// look would have the ids of all that is pending in memory.
		r.record(ledger.Mark{Sent: max(s.plan.sent, 1)})
	}
	if next == before.Baseline {
		return nil
	}
	// Before anything is sent to a stream, it must be known that it was.
	return r.recordFirst(ctx, ledger.Mark{Baseline: &next})
}

// verify looks whether the stream is still what it was when the session began, and
// whether the newest message that was acknowledged to us is still where it was. It
// finds a loss that happened without a new connection.
func (r *relay) verify(ctx context.Context) error {
	s := r.session
	info, err := r.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("look for a loss: %w", err)
	}
	state := r.ledger.State()
	fell, err := r.fellBack(ctx, state, info)
	switch {
	case err != nil:
		return fmt.Errorf("look for a loss: %w", err)
	case !info.Created.Equal(state.Created):
		return fmt.Errorf("%w: it was made again", errDoubt)
	case fell:
		return fmt.Errorf("%w: another message is at %d, or none, and ours was acknowledged", errDoubt, state.Highest)
	case info.Leader != state.Leader, holes(info) != state.Holes:
		r.endSession() // what is missing is looked for
		return nil
	case max(info.First, 1) != state.First:
		next := state.Baseline
		next.First = max(info.First, 1)
		r.record(ledger.Mark{Baseline: &next})
	}
	r.noteEnd(info.Last, 0)
	s.info = info
	return nil
}

// tooOld reports whether the age limit of the stream may have removed a message that was
// accepted then.
func (r *relay) tooOld(info broker.Info, accepted time.Time) bool {
	return info.MaxAge > 0 && (accepted.IsZero() || r.cfg.now().Sub(accepted) > info.MaxAge-time.Minute)
}
