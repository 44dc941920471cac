package outbox

import (
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

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

// finish notes the outcome of the message.
func (it *item) finish(o outcome) {
	it.own = o
	it.known = &it.own
}

// outcome says how the publishing of one message ended.
type outcome struct {
	seq       uint64 // in the stream; ledger.NoSequence if it was set aside
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
	result   ledger.EntryOutcome

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

// finishHead takes the items whose outcome is known off the head of the queue, and settles
// the entries that they complete.
// It reports whether there were any.
func (r *relay) finishHead() bool {
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
		r.onSettled(Outcomes{Healed: int64(len(e.lost)), SetAside: res.Aside})
		r.flushRun(run)
		res.Aside, res.Duplicate = 0, 0
		r.record(ledger.Mark{Healed: &res})
	case res.Plain():
		r.onSettled(Outcomes{Stored: 1})
		if !run.Extend(res) {
			r.flushRun(run)
			run.Extend(res)
		}
	default:
		r.onSettled(Outcomes{Stored: int64(len(res.Seqs)) - res.Duplicate - res.Aside, Duplicate: res.Duplicate, SetAside: res.Aside})
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
