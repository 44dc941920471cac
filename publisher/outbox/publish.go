package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/pace"
)

// Bounds of a batch. The server takes 1,000 messages of an atomic one.
const (
	batchMessages = 500
	batchBytes    = 1 << 20
)

// sentLease is the number of entries ahead for which it is written down that they may have been
// sent: so many ids at most are looked for in the stream after a crash.
const sentLease = 4096

// publish sends the next messages. It reports false if there are none.
func (r *relay) publish(ctx context.Context) (bool, error) {
	s := r.session
	if err := s.readErr; err != nil {
		s.readErr = nil
		return true, err
	}
	if err := r.fill(1); err != nil {
		return true, err
	}
	if err := r.checkQueue(); err != nil {
		return true, err
	}
	if r.finishHead() {
		r.pause = 0 // they are stored: what came before was not in vain
		return true, nil
	}
	if len(s.queue) == 0 {
		if !r.serving.Load() { // what was lost is there again
			return true, r.serve(ctx)
		}
		return r.passLost(), nil
	}
	if head := s.queue[0]; !s.info.Captures(head.msg.Subject) {
		return true, r.refusedSubject(ctx, head, fmt.Errorf("%w: %s does not capture %s", errNotOurs, r.cfg.Stream, head.msg.Subject))
	}
	group, w := r.group()
	if err := r.lease(ctx, group[len(group)-1].entry); err != nil {
		return true, err
	}
	msgs := make([]broker.Message, 0, len(group))
	for _, it := range group {
		if it.known == nil {
			msgs = append(msgs, it.msg)
		}
	}
	began := r.cfg.now()
	res := r.send(ctx, w, msgs)
	took := r.cfg.now().Sub(began)
	switch res.Status {
	case broker.Stored:
		r.pace.Took(w, len(msgs), took)
		r.onPublished(took, len(msgs))
	case broker.Unknown:
		r.pace.Waited(w, len(msgs), took)
	}
	if w == pace.InFast {
		sent := slices.DeleteFunc(slices.Clone(group), func(it *item) bool { return it.known != nil })
		return true, r.publishedFast(ctx, sent, res)
	}
	return true, r.published(ctx, group, len(msgs), res)
}

// send publishes messages. While a backlog is drained, the entries of the next batch are read
// meanwhile, so that it can leave as soon as this one is answered.
func (r *relay) send(ctx context.Context, w pace.Way, msgs []broker.Message) broker.Result {
	s, send := r.session, r.stream.Publish
	if w == pace.InFast {
		send = r.stream.PublishFast
	}
	if len(s.queue) < batchMessages && s.bytes < batchBytes {
		return send(ctx, msgs) // there was no more
	}
	if r.cfg.synchronous {
		res := send(ctx, msgs)
		s.readErr = r.fill(2)
		return res
	}
	done := make(chan broker.Result, 1)
	go func() { done <- send(ctx, msgs) }()
	s.readErr = r.fill(2)
	return <-done
}

// group returns the items at the head of the queue that go out together, and how. The first
// is sent, and so is the last.
func (r *relay) group() ([]*item, pace.Way) {
	s := r.session
	fast, atomic := r.fast(), s.info.Batches
	most := 1
	if s.singles == 0 && (fast || atomic) {
		most = batchMessages
	}
	group, messages := r.head(most)
	w, take := r.pace.Choose(messages, fast, atomic)
	if take < messages {
		group, _ = r.head(take)
	}
	if w == pace.OneByOne && messages > 1 {
		s.singles = 1 // and then it is asked again: more may wait, or the first have told how long one takes
	}
	return group, w
}

// head returns the items at the head of the queue up to the last of so many messages that can go
// out together, and how many of the items are sent.
func (r *relay) head(most int) (group []*item, messages int) {
	s := r.session
	n, last := 0, 1
	var bytes int64
	for _, it := range s.queue {
		if it.known == nil {
			if messages > 0 && (it.alone || messages == most || bytes+it.size > batchBytes || !s.info.Captures(it.msg.Subject)) {
				break
			}
			messages++
			bytes += it.size
			last = n + 1
			if it.alone {
				most = 1
			}
		}
		n++
	}
	return s.queue[:last], messages
}

// published deals with the answer to a group, of which some messages were sent.
func (r *relay) published(ctx context.Context, group []*item, sent int, res broker.Result) error {
	s := r.session
	if res.Status != broker.Stored && sent > 1 && proven(res.Status) {
		s.singles = sent // the one that is refused will say why
		return nil
	}
	head := group[0]
	switch res.Status {
	case broker.Stored:
		return r.stored(ctx, group, sent, res)
	case broker.Refused:
		if errors.Is(res.Err, ErrNoStream) {
			r.endSession()
		}
		return res.Err
	case broker.RefusedSubject:
		return r.refusedSubject(ctx, head, res.Err)
	case broker.RefusedSize:
		r.cfg.recheckStreams() // the stream's limit is not what new events are held against
		if m, ok := r.cfg.fit(head.msg, min(r.stream.Limit(), head.msg.Size()-1)); ok {
			head.msg = m
			return nil
		}
		return r.setAside(head, ReasonRefused, res.Err)
	case broker.RefusedForGood:
		return r.setAside(head, ReasonRefused, res.Err)
	}
	// Not sent, or unknown: it is looked for in the stream before anything is sent again.
	r.endSession()
	return res.Err
}

// proven reports whether a status says that nothing was stored, and the messages may be
// sent again at once.
func proven(f broker.Status) bool {
	return f == broker.Refused || f == broker.RefusedSubject || f == broker.RefusedSize || f == broker.RefusedForGood
}

// stored settles a group that JetStream acknowledged.
func (r *relay) stored(ctx context.Context, group []*item, sent int, res broker.Result) error {
	s := r.session
	if !res.Duplicate && res.First <= r.ledger.State().Highest {
		// Sequences only grow, unless the stream fell back behind what it had
		// acknowledged to us.
		r.endSession()
		r.doubt = true
		return fmt.Errorf("%w: a PubAck has the sequence %d, below one seen before", errDoubt, res.First)
	}
	if res.Duplicate && group[0].entry.healing {
		if err := r.confirmStored(ctx, group[0], res.First); err != nil {
			return err
		}
	}
	if res.Duplicate {
		r.noteEnd(res.First, 0)
	} else {
		r.noteEnd(res.First+uint64(sent)-1, sent)
	}
	seq := res.First
	// The copy that a duplicate is of may be its own, which came late. Then it is behind all
	// that was settled, since what was sent before is settled in order.
	late := seq > r.ledger.State().Highest
	for _, it := range group {
		if it.known == nil {
			again := it.entry.healing || late && it.entry.seq <= s.plan.sent
			it.finish(outcome{seq: seq, duplicate: res.Duplicate && !again})
			seq++
			delete(r.refusing, it.msg.Subject)
		}
	}
	r.took(sent)
	return nil
}

// took settles what is known after so many messages were stored.
func (r *relay) took(sent int) {
	r.session.singles = max(0, r.session.singles-sent)
	r.denied = 0
	r.finishHead()
	r.clearHalted(true)
}

// confirmStored makes certain that a message which is answered as a duplicate, and was lost, is
// there.
func (r *relay) confirmStored(ctx context.Context, it *item, seq uint64) error {
	id, there, err := r.stream.ID(ctx, seq)
	if err != nil {
		r.endSession()
		return err
	}
	if !there || id != it.msg.ID {
		return fmt.Errorf("%w: the server takes a lost event for a repetition of one that is not there; it goes when the duplicate window has passed", errDoubt)
	}
	return nil
}

// lease writes down that entries up to e may have been sent, before they are.
func (r *relay) lease(ctx context.Context, e *openEntry) error {
	if r.ledger.State().Leased(e.seq) {
		return nil
	}
	return r.recordFirst(ctx, ledger.Mark{Sent: e.seq + sentLease})
}
