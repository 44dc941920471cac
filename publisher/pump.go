package publisher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
)

// pump publishes the entries of the journal, in order, and settles them in the
// ledger. One goroutine runs it; a second one reads ahead.
type pump struct {
	conn     *broker.Conn
	js       asyncPublisher
	journal  *journal.Journal
	ledger   *ledger
	setAside *setaside.Store
	metrics  *metrics
	log      *zap.Logger
	cfg      pumpConfig
	look     func()                // asks for a look at the streams
	looked   func(context.Context) // returns when they were looked at once, and so made, or after a while

	clock  *retainClock
	sent   journal.Seq            // entries behind this one were never sent; of the pump's goroutine
	pause  time.Duration          // before the next try
	halted atomic.Pointer[string] // why nothing is published now, for Status; nil if all is well

	turns chan struct{} // full while a session runs, or hold keeps it from running
	holds chan struct{} // asks the session to end
}

type pumpConfig struct {
	stream     string
	ackTimeout time.Duration
	verify     time.Duration // between two looks for a loss
	inFlight   int
}

// maxReadAhead bounds the entries in memory, but for a single larger one.
const maxReadAhead = 64 << 20

// Pauses after a failure.
const (
	pumpFirstPause = 50 * time.Millisecond
	pumpLastPause  = 5 * time.Second
)

// drain waits until everything in the journal is settled, or ctx ends.
func (p *pump) drain(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if p.ledger.settledUpTo() >= p.journal.Stats().Last {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("publish what is pending: %w; it stays in the journal", ctx.Err())
		case <-tick.C:
		}
	}
}

// problem returns why nothing is published now, or "".
func (p *pump) problem() string {
	if why := p.halted.Load(); why != nil {
		return *why
	}
	return ""
}

func (p *pump) run(ctx context.Context) {
	for p.conn.AwaitUp(ctx) {
		p.looked(ctx) // or the first start would begin with a stream that is not there yet
		select {
		case p.turns <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := p.session(ctx)
		<-p.turns
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errHeld) {
			continue
		}
		p.trouble(err)
		p.look()
		_ = p.rest(ctx) // the loop sees the end of ctx
	}
}

// rest waits before the next try; the longer, the longer nothing was stored.
func (p *pump) rest(ctx context.Context) error {
	t := time.NewTimer(p.pause/2 + rand.N(p.pause))
	defer t.Stop()
	p.pause = min(2*p.pause, pumpLastPause)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// trouble notes why publishing stopped, and logs it if it is news.
func (p *pump) trouble(err error) {
	if before := p.problem(); before == "" && err != nil {
		p.log.Warn("publishing stopped; it goes on by itself, and events are kept in the journal", zap.Error(err))
	}
	if err != nil {
		why := err.Error()
		p.halted.Store(&why)
	}
}

func (p *pump) well() {
	if p.problem() != "" {
		p.log.Info("publishing goes on")
		p.halted.Store(nil)
	}
}

// session reconciles and publishes until something is in doubt.
func (p *pump) session(ctx context.Context) error {
	ctx, end := p.conn.WhileUp(ctx)
	defer end()
	plan, err := p.reconcile(ctx)
	if err != nil {
		return fmt.Errorf("reconcile with stream %s: %w", p.cfg.stream, err)
	}
	p.clock.resume(p.conn.ServerID())
	defer p.clock.pause()
	return p.publish(ctx, plan)
}

// pumpEntry is an entry of the journal that is being published.
type pumpEntry struct {
	seq     journal.Seq
	msgs    []broker.Message
	weight  int64
	healing bool // it was settled before, and JetStream lost some of it
	result  settlement
}

// publish sends what the plan leaves to send, and then what comes.
func (p *pump) publish(ctx context.Context, plan *plan) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := semaphore.NewWeighted(maxReadAhead)
	entries := make(chan *pumpEntry, 256)
	var reading sync.WaitGroup
	var readErr error
	reading.Go(func() {
		defer close(entries)
		readErr = p.readAhead(ctx, plan, ahead, entries)
	})
	defer func() {
		cancel()
		reading.Wait()
	}()
	w := newWindow(p.js, p.cfg.stream, p.cfg.ackTimeout, p.mayFly(plan.replicas))
	verify := time.NewTicker(p.cfg.verify)
	defer verify.Stop()
	for {
		if len(w.flying) == 0 {
			// Nothing is on its way: wait for whatever comes first.
			p.well()
			select {
			case e, ok := <-entries:
				if !ok {
					return errors.Join(readErr, ctx.Err())
				}
				p.admit(w, e, plan)
			case <-verify.C:
				if err := p.verify(ctx, plan); err != nil {
					return err
				}
			case <-p.holds:
				return errHeld
			case <-ctx.Done():
				return broker.ErrLinkLost
			}
		}
		for more := true; more && w.room(); {
			select {
			case e, ok := <-entries:
				if more = ok; ok {
					p.admit(w, e, plan)
				}
			default:
				more = false
			}
		}
		if len(w.flying) == 0 {
			continue
		}
		if err := w.launch(); err != nil {
			return err
		}
		if mutateMarkEarly {
			p.markEarly(w)
		}
		if err := p.settleHead(ctx, w, ahead); err != nil {
			return err
		}
		select {
		case <-verify.C:
			if err := p.verify(ctx, plan); err != nil {
				return err
			}
		case <-p.holds:
			// What is in flight is looked for in the stream when it goes on.
			return errors.Join(w.restart(ctx), errHeld)
		default:
		}
	}
}

// hold waits until nothing is published from the journal, and keeps it so until
// release is called. Publishing then begins with reconciling, so that nothing that
// was read before is published after. One goroutine may hold at a time.
func (p *pump) hold(ctx context.Context) (release func(), err error) {
	defer func() {
		select {
		case <-p.holds: // nobody ran to take it
		default:
		}
	}()
	for {
		select {
		case p.turns <- struct{}{}:
			return func() { <-p.turns }, nil
		case p.holds <- struct{}{}: // again, if another session began before our turn
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// mayFly returns how many messages may be in flight. In a stream with replicas
// it is one, and so nothing is chained. There every replica for itself holds
// Nats-Expected-Last-Msg-Id against the last id that it knows, when it applies
// the message, and takes what does not fit for a broken disk: it stops for good
// ("critical write error: last msgid mismatch", nats-server 2.15.2). A replica
// that has caught up from another does not know the last id, so a chain that
// is in perfect order stops it as well.
func (p *pump) mayFly(replicas int) int {
	if replicas > 1 {
		return 1
	}
	return p.cfg.inFlight
}

var (
	errDoubt = errors.New("the stream may have lost events")
	errHeld  = errors.New("publishing is held up")
)

// readAhead reads the entries that the plan leaves, and those that come.
func (p *pump) readAhead(ctx context.Context, plan *plan, ahead *semaphore.Weighted, out chan<- *pumpEntry) error {
	r := p.journal.NewReader(plan.from)
	defer r.Close()
	for {
		rec, err := r.Next(ctx)
		if err != nil {
			return err
		}
		msgs, err := decodeEntry(rec.Payload)
		if err != nil {
			return fmt.Errorf("journal entry %d: %w", rec.Seq, err)
		}
		e := &pumpEntry{seq: rec.Seq, msgs: msgs, weight: min(int64(len(rec.Payload)), maxReadAhead), healing: rec.Seq <= plan.settled}
		e.result = settlement{Entry: rec.Seq, Seqs: make([]uint64, 0, len(msgs))}
		if e.healing && !plan.isLost(rec.Seq) {
			continue
		}
		if err := ahead.Acquire(ctx, e.weight); err != nil {
			return err
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admit puts the messages of e into the window. Those that reconciling found in
// the stream are not sent.
func (p *pump) admit(w *window, e *pumpEntry, plan *plan) {
	if e.seq > plan.sent {
		plan.stored = nil // asked for no more
	}
	p.sent = max(p.sent, e.seq)
	for i, m := range e.msgs {
		f := &flight{Message: m, entry: e, index: i, again: plan.maybeSent(e.seq)}
		switch seq, there := plan.present(e.seq, i, m.ID); {
		case there:
			f.settled = &outcome{fate: fateStored, seq: seq, duplicate: !f.again}
		case m.Erased:
			// There is nothing left to publish. It was settled before it was erased, so
			// that only damage to what says so brings it here; then it counts as set aside.
			f.settled = &outcome{fate: fateStored}
		}
		w.add(f)
	}
}

// settleHead deals with the oldest message in the window.
func (p *pump) settleHead(ctx context.Context, w *window, ahead *semaphore.Weighted) error {
	f := w.flying[0]
	known := f.settled != nil
	o := w.head(ctx)
	switch o.fate {
	case fateStored:
		if !known && !o.duplicate && !p.ledger.above(o.seq) {
			// Sequences only grow, unless the stream fell back behind what it
			// had acknowledged to us.
			return fmt.Errorf("%w: a PubAck has the sequence %d, below one seen before", errDoubt, o.seq)
		}
		p.settled(w, ahead, o)
		p.pause = pumpFirstPause
		p.well()
		return nil
	case fateOutOfOrder:
		if err := w.restart(ctx); err != nil {
			return fmt.Errorf("wait for what is in flight: %w", err)
		}
		return nil
	case fateRefused:
		if streamGone(o.err) {
			return o.err
		}
		// Nothing is in doubt: a full stream, say. Wait, and try the same again.
		if err := w.restart(ctx); err != nil {
			return fmt.Errorf("wait for what is in flight: %w", err)
		}
		p.trouble(o.err)
		p.look()
		return p.rest(ctx)
	case fateRefusedSize, fateRefusedEver:
		if err := p.setAside.Put(ctx, f.Message, setaside.Refused); err != nil {
			return fmt.Errorf("set aside what NATS refuses for good: %w", err)
		}
		p.log.Error("NATS refuses an accepted event for good; it is in set-aside",
			zap.String("id", f.ID), zap.String("subject", f.Subject), zap.Error(o.err))
		p.settled(w, ahead, outcome{fate: fateStored})
		return nil
	}
	// Not sent, or unknown: it and what is in flight behind it are looked for
	// in the stream before anything is sent again.
	return o.err
}

// settled takes the oldest message out of the window; with its last message the
// entry is settled.
func (p *pump) settled(w *window, ahead *semaphore.Weighted, o outcome) {
	f := w.pop()
	e := f.entry
	e.result.Seqs = append(e.result.Seqs, o.seq)
	if o.duplicate && !f.again {
		e.result.Duplicate++
	}
	if o.seq >= e.highest() {
		e.result.LastID = f.ID
	}
	if len(e.result.Seqs) < len(e.msgs) {
		return
	}
	ahead.Release(e.weight)
	m := mark{Settled: &e.result}
	if e.healing {
		m = mark{Healed: &e.result}
	}
	p.record(m)
	p.metrics.settled(e.result, e.healing)
}

// record makes a step of the ledger and writes it down, in this order: a
// checkpoint must know what the marks before it say.
func (p *pump) record(m mark) {
	p.ledger.apply(m, p.clock.now())
	p.journal.Mark(m.encode())
}

func (e *pumpEntry) highest() uint64 {
	var highest uint64
	for _, seq := range e.result.Seqs {
		highest = max(highest, seq)
	}
	return highest
}

// streamGone reports whether a refusal means that the stream is not there, so
// that the next one of its name may be another.
func streamGone(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.As(err, &api) && server.ErrorIdentifier(api.ErrorCode) == server.JSStreamNotMatchErr
}
