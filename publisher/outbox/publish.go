package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/pace"
)

// Bounds of a batch. The server takes 1,000 messages of an atomic one.
const (
	batchMessages = 500
	batchBytes    = 1 << 20
)

// sentLease is for how many entries ahead it is written down that they may have been
// sent: so many ids at most are looked for in the stream after a crash.
const sentLease = 4096

// item is a message on its way.
type item struct {
	msg   broker.Message
	entry *openEntry
	index int // in the entry
	size  int64
	known *outcome // set if it is not to be sent
	own   outcome
	alone bool // it is sent by itself
}

// settle says what became of the message.
func (it *item) settle(o outcome) {
	it.own = o
	it.known = &it.own
}

// outcome is what became of one message.
type outcome struct {
	seq       uint64 // in the stream; nowhere if it was set aside
	duplicate bool   // of another event, which was stored before
	aside     bool
}

// openEntry is an entry that is being published.
type openEntry struct {
	seq      journal.Seq
	accepted time.Time
	left     int  // messages that are not settled
	healing  bool // it was settled before, and JetStream lost some of it
	lost     []int
	result   ledger.Settlement

	// Most entries have one message. What it needs takes no allocation of its own.
	only item
	seq1 [1]uint64
}

// newEntry returns an entry of some messages that are not settled.
func newEntry(seq journal.Seq, accepted time.Time, messages int) *openEntry {
	e := &openEntry{seq: seq, accepted: accepted, left: messages}
	if messages == 1 {
		e.result.Seqs = e.seq1[:]
	} else {
		e.result.Seqs = make([]uint64, messages)
	}
	return e
}

// item returns a new item of the entry.
func (e *openEntry) item(m broker.Message, index int) *item {
	it := &e.only
	if len(e.result.Seqs) > 1 {
		it = new(item)
	}
	*it = item{msg: m, entry: e, index: index, size: m.Size()}
	return it
}

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
	if r.settleKnown() {
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
		r.told(took, len(msgs))
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
		if m, ok := r.cfg.fit(head.msg, min(r.stream.Limit(), head.msg.Size()-1)); ok {
			head.msg = m
			return nil
		}
		return r.aside(head, ReasonRefused, res.Err)
	case broker.RefusedForGood:
		return r.aside(head, ReasonRefused, res.Err)
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
		if err := r.sure(ctx, group[0], res.First); err != nil {
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
			it.settle(outcome{seq: seq, duplicate: res.Duplicate && !again})
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
	r.settleKnown()
	r.clearHalted(true)
}

// sure makes certain that a message which is answered as a duplicate, and was lost, is
// there.
func (r *relay) sure(ctx context.Context, it *item, seq uint64) error {
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

// settleKnown settles the items at the head of the queue whose outcome is known.
// It reports whether there were any.
func (r *relay) settleKnown() bool {
	s := r.session
	var run ledger.StoredRun
	n := 0
	for n < len(s.queue) && s.queue[n].known != nil {
		it := s.queue[n]
		s.bytes -= it.size
		s.queue[n] = nil
		n++
		if e := it.entry; e.add(it) {
			r.settle(e, &run)
		}
	}
	r.flushRun(&run)
	s.queue = s.queue[n:]
	return n > 0
}

// add notes the outcome of a message of the entry, and reports whether it was the
// last.
func (e *openEntry) add(it *item) bool {
	o := it.known
	seq := o.seq
	switch {
	case o.aside:
		e.result.Aside++
		seq = ledger.NoSequence
	case o.duplicate:
		e.result.Duplicate++
		seq = ledger.NoSequence
	}
	e.result.Seqs[it.index] = seq
	if seq != ledger.NoSequence && seq == e.result.Highest() {
		e.result.LastID = it.msg.ID
	}
	e.left--
	return e.left == 0
}

// settle records an entry; one of the ordinary kind joins the run.
func (r *relay) settle(e *openEntry, run *ledger.StoredRun) {
	res := e.result
	res.Entry, res.At, res.Ahead = e.seq, r.clock.read(r.cfg.now()), e.seq < r.session.plan.foundUpTo
	if !e.healing {
		r.reached = e.accepted
		if next := max(r.ledger.State().Done+1, run.Entry+journal.Seq(run.Count)); e.seq > next {
			r.flushRun(run)
			r.pass(e.seq - 1) // the reader could not read them
		}
	}
	switch {
	case e.healing:
		r.settled(Settled{Healed: int64(len(e.lost)), SetAside: res.Aside})
		r.flushRun(run)
		res.Aside, res.Duplicate = 0, 0
		r.record(ledger.Mark{Healed: &res})
	case res.Plain():
		r.settled(Settled{Stored: 1})
		if !run.Extend(res) {
			r.flushRun(run)
			run.Extend(res)
		}
	default:
		r.settled(Settled{Stored: int64(len(res.Seqs)) - res.Duplicate - res.Aside, Duplicate: res.Duplicate, SetAside: res.Aside})
		r.flushRun(run)
		r.record(ledger.Mark{Done: &res})
	}
}

func (r *relay) flushRun(run *ledger.StoredRun) {
	if run.Count > 0 {
		done := *run
		r.record(ledger.Mark{Stored: &done})
		*run = ledger.StoredRun{}
	}
}

// lease writes down that entries up to e may have been sent, before they are.
func (r *relay) lease(ctx context.Context, e *openEntry) error {
	if r.ledger.State().Leased(e.seq) {
		return nil
	}
	return r.recordFirst(ctx, ledger.Mark{Sent: e.seq + sentLease})
}

// aside sets the message at the head aside.
func (r *relay) aside(it *item, why Reason, cause error) error {
	if err := r.cfg.setAside(it.msg, why, cause); err != nil {
		return fmt.Errorf("set aside what NATS refuses (%w): %w", cause, err)
	}
	r.log.Error("NATS refuses an accepted event; it is in set-aside",
		zap.String("id", it.msg.ID), zap.String("subject", it.msg.Subject), zap.String("reason", string(why)), zap.Error(cause))
	it.settle(outcome{aside: true})
	r.session.singles = max(0, r.session.singles-1)
	r.settleKnown()
	r.pause = 0
	return nil
}

// refusedSubject deals with a subject that the stream does not take, though it may
// take others. It is waited for, since the stream's settings or permissions may be
// mended soon, and then it must not hold up the others any longer.
func (r *relay) refusedSubject(ctx context.Context, it *item, cause error) error {
	now := r.cfg.now()
	since, before := r.refusing[it.msg.Subject]
	if !before || now.Before(since) {
		since = now
		r.refusing[it.msg.Subject] = now
		r.denied++
	}
	info, err := r.stream.Info(ctx) // it may have been mended
	if err != nil {
		r.endSession()
		return errors.Join(cause, err)
	}
	if compared := r.session.info; !info.Created.Equal(compared.Created) || info.Leader != compared.Leader {
		r.endSession() // what it may lack is looked for first
		return cause
	}
	r.session.info = info
	if now.Sub(since) < r.cfg.refusedAfter {
		return cause
	}
	if others, err := r.takesOthers(it.msg.Subject); err != nil || !others {
		return errors.Join(cause, err)
	}
	return r.aside(it, ReasonUncaptured, cause)
}

// takesOthers reports whether the stream can be expected to take other subjects. If it
// takes none, it is the stream that is wrong, and nothing is set aside.
func (r *relay) takesOthers(subject string) (bool, error) {
	info := r.session.info
	if !info.Captures(subject) {
		return slices.ContainsFunc(r.cfg.subjects, info.Captures), nil
	}
	// By a limit or a permission: nothing is known of the others before one is tried. So
	// there must be one to try, and none that was refused too.
	if r.denied >= 2 {
		return false, nil
	}
	return r.othersWait(subject)
}

// othersWait reports whether a message of another subject waits behind those of a subject.
// It reads what is pending once, however often it is asked.
func (r *relay) othersWait(subject string) (others bool, err error) {
	differs := func(m broker.Message) bool { return r.cfg.subject(m) != subject }
	if slices.ContainsFunc(r.session.queue, func(it *item) bool { return differs(it.msg) }) {
		return true, nil
	}
	if r.alike.subject != subject {
		r.alike.subject, r.alike.upTo = subject, 0
	}
	from := max(r.alike.upTo+1, r.session.reader.Pos())
	err = r.journalRange(from, r.journal.Stats().Last, func(seq journal.Seq, payload []byte) (bool, error) {
		_, msgs, err := ledger.DecodeEntry(payload, r.cfg.keys)
		if err != nil {
			return false, fmt.Errorf("journal entry %d: %w", seq, err)
		}
		if others = slices.ContainsFunc(msgs, differs); !others {
			r.alike.upTo = seq
		}
		return !others, nil
	})
	return others, err
}

// passLost goes past entries at the end of the journal that are lost to damage.
func (r *relay) passLost() bool {
	upTo := r.session.reader.Pos() - 1
	if upTo <= r.ledger.State().Done {
		return false
	}
	r.pass(upTo)
	return r.ledger.State().Done >= upTo
}

// pass notes that entries up to one are settled or lost, and how many events that is: it
// cannot be counted any more when their segments are gone.
func (r *relay) pass(upTo journal.Seq) {
	after, events := r.ledger.Losing(upTo)
	r.record(ledger.Mark{Lost: upTo, LostAfter: after, LostEvents: events})
}
