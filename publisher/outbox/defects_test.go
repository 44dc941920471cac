package outbox

import (
	"context"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// defect is an outbox with one mend taken away, from outside: in its options, in what the
// stream answers, or in what the relay writes down. The zero value has none.
type defect struct {
	options   func(*Options)
	info      func(*broker.Info)
	fast      func(r *relay, sent int, res *broker.Result) // the answer to a fast-ingest batch
	opened    func(*relay)
	record    func(r *relay, m ledger.Mark, write func(ledger.Mark)) // in place of write
	overtakes bool                                                   // direct publishes do not wait for the backlog
}

// open is Open with the defect.
func (d defect) open(o Options) (*Outbox, error) {
	if d.options != nil {
		d.options(&o)
	}
	s := &misread{Stream: o.stream, defect: d}
	if d.info != nil || d.fast != nil {
		o.stream = s
	}
	b, err := Open(o)
	if err != nil {
		return nil, err
	}
	r := b.relay
	s.relay = r
	if d.record != nil {
		write := r.record
		r.record = func(m ledger.Mark) { d.record(r, m, write) }
	}
	if d.opened != nil {
		d.opened(r)
	}
	return b, nil
}

// misread is a stream whose answers are taken for others.
type misread struct {
	Stream
	defect defect
	relay  *relay
}

func (s *misread) Info(ctx context.Context) (broker.Info, error) {
	i, err := s.Stream.Info(ctx)
	if s.defect.info != nil {
		s.defect.info(&i)
	}
	return i, err
}

func (s *misread) PublishFast(ctx context.Context, msgs []broker.Message) broker.Result {
	res := s.Stream.PublishFast(ctx, msgs)
	if s.defect.fast != nil {
		s.defect.fast(s.relay, len(msgs), &res)
	}
	return res
}

// discard writes no marks.
type discard struct{}

func (discard) Mark([]byte) {}

// The defects, by what goes wrong.
var (
	// Retained entries are given up while NATS is away, or never.
	yieldWhileAway = defect{opened: func(r *relay) { r.mayYield = func() bool { return true } }}
	neverYield     = defect{opened: func(r *relay) { r.mayYield = func() bool { return false } }}

	// A hole never counts as a loss: any limit may have made it.
	holesAreRemovals = defect{info: func(i *broker.Info) { i.Discards, i.PerSubject = true, true }}

	// Another stream or prefix in the configuration is not noticed.
	keepTarget = defect{opened: func(r *relay) {
		if t := r.ledger.State().Target; t != (ledger.Target{}) {
			r.cfg.Target = t
		}
	}}

	// Healing begins before it is on disk from where.
	healUnmarked = defect{record: func(r *relay, m ledger.Mark, write func(ledger.Mark)) {
		before := r.ledger.State().Baseline
		if r.session != nil || m.Baseline == nil {
			write(m)
			return
		}
		next := *m.Baseline
		next.Healing = before.Healing
		r.ledger.Record(discard{}, ledger.Mark{Baseline: &next})
	}}

	// What was released is not written down.
	forgetReleases = defect{options: func(o *Options) { o.segmentAge = 1000 * time.Hour }, record: func(r *relay, m ledger.Mark, write func(ledger.Mark)) {
		if m.Released == 0 {
			write(m)
			return
		}
		r.ledger.Yielded(m.Released)
	}}

	// Repetitions of retained events are left to the server: no window is known.
	forgetRepeated = defect{info: func(i *broker.Info) { i.Duplicates = -1 }}

	overtake = defect{overtakes: true}

	// An entry that is lost at the end of the journal is waited for.
	waitBehindDamage = defect{record: func(r *relay, m ledger.Mark, write func(ledger.Mark)) {
		if m.Lost == 0 || len(r.session.queue) > 0 {
			write(m)
		}
	}}

	// After a loss the old highest sequence stays.
	keepHighest = defect{record: func(r *relay, m ledger.Mark, write func(ledger.Mark)) {
		before := r.ledger.State()
		if m.Baseline != nil && m.Baseline.Highest != before.Highest && before.Highest > 0 {
			next := *m.Baseline
			next.Highest, next.HighestID = before.Highest, before.HighestID
			m.Baseline = &next
		}
		write(m)
	}}

	// What may have been sent is looked for in the whole stream.
	scanAll = defect{record: func(r *relay, m ledger.Mark, write func(ledger.Mark)) {
		switch {
		case m.Baseline != nil:
			next := *m.Baseline
			next.Floor = 0
			m.Baseline = &next
		case m.Stored != nil:
			m.Stored.Ahead = true // or it raises the floor
		case m.Done != nil:
			m.Done.Ahead = true
		}
		write(m)
	}}

	// A subject that the stream does not take is waited for.
	waitForSubject = defect{options: func(o *Options) { o.RefusedAfter = 1000 * time.Hour }}

	// A fast-ingest batch of which a part is stored is taken for whole.
	partIsAll = defect{fast: func(r *relay, sent int, res *broker.Result) {
		if res.Status == broker.Stored || res.Status == broker.PartlyStored {
			res.Last, res.Count = r.session.last+uint64(sent), sent
		}
	}}

	// The messages of a fast-ingest batch are taken to follow each other.
	assumeSequences = defect{fast: func(r *relay, _ int, res *broker.Result) {
		if res.Count > 0 {
			res.Last = r.session.last + uint64(res.Count)
		}
	}}
)
