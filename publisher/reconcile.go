package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// plan says what reconciling found: what must be published and what must not.
type plan struct {
	from    journal.Seq // the first entry that needs publishing
	settled journal.Seq // entries up to here were settled; of them only lost ones are published
	sent    journal.Seq // entries behind this one were never sent
	lost    map[journal.Seq][]bool
	stored  map[string]uint64 // sequence by message id, of what is in the stream
	end     streamEnd         // the last settled message that is there

	replicas int // of the stream
}

// isLost reports whether JetStream lost a message of a settled entry.
func (p *plan) isLost(entry journal.Seq) bool { return p.lost[entry] != nil }

// maybeSent reports whether the entry may have been sent before.
func (p *plan) maybeSent(entry journal.Seq) bool { return entry <= p.sent }

// present returns the sequence of a message that is in the stream already, or
// that was removed from it on purpose.
func (p *plan) present(entry journal.Seq, index int, id string) (uint64, bool) {
	if lost := p.lost[entry]; lost != nil && lost[index] {
		return 0, false
	}
	if !p.maybeSent(entry) {
		return 0, false
	}
	if seq, ok := p.stored[id]; ok {
		return seq, true
	}
	// Of a settled entry, what is not lost was removed by a limit, a purge or
	// a delete.
	return 0, entry <= p.settled
}

// reconcile compares the journal with the stream, by identity. It is asked
// before anything is published after a start, a reconnect or a doubt.
//
// It reads the ids in the stream from the lowest sequence of a retained entry
// to the end. A pending entry whose id is there is stored. A settled one is
// lost if another message is at its sequence, or if the stream ends before it;
// if its sequence is empty, or before the first one of the stream, somebody
// removed it: a limit, a purge, a delete. That is no loss.
func (p *pump) reconcile(ctx context.Context) (_ *plan, err error) {
	info, err := p.streamInfo(ctx)
	if err != nil {
		return nil, err
	}
	state, first, retained := p.ledger.snapshot()
	pl := &plan{
		from: state.Done + 1, settled: state.Done, sent: p.sent,
		lost: map[journal.Seq][]bool{}, replicas: info.Config.Replicas,
	}
	same := state.Incarnation.Equal(info.Created)
	if !same {
		defer func() {
			if err == nil {
				p.record(mark{Incarnation: &info.Created})
			}
		}()
	}
	fellBack := same && state.HighestSeq > info.State.LastSeq
	if len(retained) == 0 && pl.sent <= state.Done && !fellBack {
		return pl, nil // nothing was ever sent whose fate is open
	}
	from := uint64(1)
	if same {
		from = lowest(state, retained)
	}
	found, err := p.scan(ctx, from, info.State.LastSeq)
	if err != nil {
		return nil, err
	}
	pl.stored = found.ids
	if err := p.findLost(ctx, pl, found, first, retained, same, info.State); err != nil {
		return nil, err
	}
	if n := len(pl.lost); n > 0 || fellBack {
		// Its sequences begin anew behind what is left.
		p.record(mark{FellBack: &pl.end})
		p.log.Error("JetStream lost events that it had acknowledged; those still in the journal are published again",
			zap.Int("entries", n), zap.Bool("new_stream", !same),
			zap.Uint64("acknowledged_up_to", state.HighestSeq), zap.Uint64("stream_ends_at", info.State.LastSeq))
	}
	return pl, nil
}

// lowest returns the lowest sequence at which one of our messages may be that
// matters.
func lowest(state ledgerState, retained []settled) uint64 {
	from := state.HighestSeq + 1
	for _, s := range retained {
		for _, seq := range s.seqs {
			if seq > 0 {
				from = min(from, seq)
			}
		}
	}
	return from
}

// findLost fills the plan with the settled messages that are lost.
func (p *pump) findLost(ctx context.Context, pl *plan, found *scanned, first journal.Seq, retained []settled, same bool, state jetstream.StreamState) error {
	if len(retained) == 0 {
		return nil
	}
	r := p.journal.NewReader(first)
	defer r.Close()
	for end := first + journal.Seq(len(retained)); first < end; {
		rec, err := r.Next(ctx)
		if err != nil {
			return err
		}
		if rec.Seq >= end {
			return nil
		}
		msgs, err := decodeEntry(rec.Payload)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", rec.Seq, err)
		}
		seqs := retained[rec.Seq-(end-journal.Seq(len(retained)))].seqs
		if len(seqs) != len(msgs) {
			return fmt.Errorf("journal entry %d has %d events, and %d are settled", rec.Seq, len(msgs), len(seqs))
		}
		p.compare(pl, found, rec.Seq, msgs, seqs, same, state)
		first = rec.Seq + 1
	}
	return nil
}

// compare holds a settled entry against what was found. Where its messages are
// at other sequences now, in a stream that was made again, that is noted.
func (p *pump) compare(pl *plan, found *scanned, entry journal.Seq, msgs []broker.Message, seqs []uint64, same bool, state jetstream.StreamState) {
	now := slices.Clone(seqs)
	lastID := ""
	for i, m := range msgs {
		if seqs[i] == 0 {
			continue // in set-aside
		}
		if seq, there := found.ids[m.ID]; there {
			now[i], lastID = seq, m.ID
			if seq > pl.end.Seq {
				pl.end = streamEnd{Seq: seq, ID: m.ID}
			}
			continue
		}
		if m.Erased || !found.isLost(seqs[i], same, state) {
			continue // what was erased is not there on purpose
		}
		if pl.lost[entry] == nil {
			pl.lost[entry] = make([]bool, len(msgs))
			pl.from = min(pl.from, entry)
		}
		pl.lost[entry][i] = true
	}
	if pl.lost[entry] == nil && !slices.Equal(now, seqs) {
		p.record(mark{Moved: &settlement{Entry: entry, Seqs: now, LastID: lastID}})
	}
}

// scanned is what is in a range of the stream.
type scanned struct {
	ids map[string]uint64
	at  map[uint64]struct{} // sequences that hold a broker.Message
}

// isLost reports whether a message that was acknowledged at seq, and is not in
// the stream, was lost rather than removed on purpose.
func (s *scanned) isLost(seq uint64, same bool, state jetstream.StreamState) bool {
	if !same || seq > state.LastSeq {
		return true
	}
	if seq < state.FirstSeq {
		return false
	}
	_, other := s.at[seq]
	return other
}

// scanIdle is how long reading the stream may stand still before its end. The
// consumer may run on a replica that is behind its leader.
const scanIdle = 5 * time.Second

var errScanStalled = errors.New("reading the stream stands still before its end")

// scan reads the ids of the messages from one sequence to another, headers
// only.
func (p *pump) scan(ctx context.Context, from, to uint64) (*scanned, error) {
	s := &scanned{ids: map[string]uint64{}, at: map[uint64]struct{}{}}
	if to < from {
		return s, nil
	}
	cons, err := p.conn.JetStream().OrderedConsumer(ctx, p.cfg.stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   from,
		HeadersOnly:   true,
	})
	if err != nil {
		return nil, fmt.Errorf("read ids: %w", err)
	}
	msgs, err := cons.Messages()
	if err != nil {
		return nil, fmt.Errorf("read ids: %w", err)
	}
	defer msgs.Stop()
	for {
		wait, cancel := context.WithTimeout(ctx, scanIdle)
		m, err := msgs.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return p.stalled(ctx, s, to)
			}
			return nil, fmt.Errorf("read ids: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read ids: %w", err)
		}
		seq := meta.Sequence.Stream
		s.at[seq] = struct{}{}
		if id := m.Headers().Get(jetstream.MsgIDHeader); id != "" {
			s.ids[id] = seq
		}
		if seq >= to {
			return s, nil
		}
	}
}

// stalled decides what it means that no message comes although the last one of
// the range was not seen: it may have been removed meanwhile.
func (p *pump) stalled(ctx context.Context, s *scanned, to uint64) (*scanned, error) {
	info, err := p.streamInfo(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := p.conn.JetStream().Stream(ctx, p.cfg.stream)
	if err != nil {
		return nil, err
	}
	if _, err := stream.GetMsg(ctx, to); errors.Is(err, jetstream.ErrMsgNotFound) || info.State.FirstSeq > to {
		return s, nil
	}
	return nil, errScanStalled
}

func (p *pump) streamInfo(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	s, err := p.conn.JetStream().Stream(ctx, p.cfg.stream)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// verify looks whether the newest message that was acknowledged to us is still
// where it was, and the stream what it was when it was planned for. It finds a
// loss that happened without a reconnect.
func (p *pump) verify(ctx context.Context, pl *plan) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	state := p.ledger.now()
	if state.HighestSeq == 0 {
		return nil
	}
	s, err := p.conn.JetStream().Stream(ctx, p.cfg.stream)
	if err != nil {
		return fmt.Errorf("look for a loss: %w", err)
	}
	info := s.CachedInfo()
	switch {
	case p.mayFly(info.Config.Replicas) != p.mayFly(pl.replicas):
		return errors.New("the stream's replicas have changed")
	case !info.Created.Equal(state.Incarnation):
		return fmt.Errorf("%w: it was made again", errDoubt)
	case state.HighestSeq > info.State.LastSeq:
		return fmt.Errorf("%w: it ends at %d, and %d was acknowledged", errDoubt, info.State.LastSeq, state.HighestSeq)
	}
	msg, err := s.GetMsg(ctx, state.HighestSeq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil // removed by a limit, a purge or a delete
	case err != nil:
		return fmt.Errorf("look for a loss: %w", err)
	case msg.Header.Get(jetstream.MsgIDHeader) != state.HighestID:
		return fmt.Errorf("%w: another message is at %d", errDoubt, state.HighestSeq)
	}
	return nil
}
