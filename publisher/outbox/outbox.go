// Package outbox holds accepted messages until JetStream has them, and a while
// longer.
//
// Append returns when a delivery is flushed to the journal. From there the relay
// publishes what is pending, in order and without waiting for more, and settles it in
// the ledger when JetStream has acknowledged it. What is settled is retained, to heal
// what JetStream acknowledged and lost. The steps of the ledger are marks in the
// same journal, so that all of this survives a crash at any moment.
//
//	Append ─> journal ─flushed─> pending ─relay─> stream ─PubAck─> retained ─time─> released
//	                                 ^                                  │
//	                                 └───────── lost by JetStream ──────┘
//
// The bridge has two: one for events, one for refused bodies.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

// Options of an outbox.
type Options struct {
	Dir string // of the journal
	// Of the journal; see journal.Options.
	MaxBytes int64
	Reserve  int64
	Beside   func() int64
	Retain   time.Duration // how long settled entries heal losses, of time in which the stream was reachable

	Name   string // of the stream
	Prefix string // of the subjects
	// Subjects are all that are published to.
	Subjects []string
	// Subject returns the subject of a message under today's configuration; nil: as it was
	// appended.
	Subject func(broker.Message) string
	// Fit returns a message that is at most as large as limit and says the same, or false;
	// nil: there is none.
	Fit func(m broker.Message, limit int64) (broker.Message, bool)
	// SetAside keeps a message that JetStream refuses, and returns when it is on stable
	// storage. Cause is the error of JetStream.
	SetAside func(m broker.Message, why Reason, cause error) error
	// RefusedAfter bounds the time that a subject that the stream does not take holds up the others.
	RefusedAfter time.Duration
	Verify       time.Duration // between two looks for a loss; 0: 30 s

	AwaitStreamsChecked func(context.Context)    // returns when the streams were checked on the new connection, or that took too long; nil: at once
	RecheckStreams      func()                   // asks for a check of the settings of the streams, which it does not await; nil: nobody is asked
	OnSettled           func(Outcomes)           // called for each entry that is settled; nil: not called
	OnPublished         func(time.Duration, int) // called with the time that a publish took, and its number of messages; nil: not called
	Log                 *zap.Logger              // nil: none

	// Keys encrypt entries; nil: they are kept as they are. Entries without encryption are read with keys too.
	Keys *atrest.Keys

	FS journal.FS // nil: the operating system's

	stream      Stream // for tests that do not call Start
	now         func() time.Time
	rand        func(n int64) int64
	salt        func() uint32
	synchronous bool // no goroutine: the test calls step
	recent      int64
	segmentAge  time.Duration
}

// Outcomes counts the messages of one settled entry by their outcome.
type Outcomes struct {
	Stored, Duplicate, SetAside int64
	Healed                      int64 // stored again after JetStream lost them
}

// recentBytes bounds what is kept in memory of entries that were not published yet. Those
// behind it are read from the journal's files.
const recentBytes = 4 << 20

// segmentAge bounds how long an entry waits for its segment to be full, and removed.
const segmentAge time.Duration = 20 * time.Second

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Verify == 0 {
		o.Verify = 30 * time.Second
	}
	if o.Subject == nil {
		o.Subject = func(m broker.Message) string { return m.Subject }
	}
	if o.Fit == nil {
		o.Fit = func(m broker.Message, _ int64) (broker.Message, bool) { return m, false }
	}
	if o.RecheckStreams == nil {
		o.RecheckStreams = func() {}
	}
	if o.AwaitStreamsChecked == nil {
		o.AwaitStreamsChecked = func(context.Context) {}
	}
	if o.OnSettled == nil {
		o.OnSettled = func(Outcomes) {}
	}
	if o.OnPublished == nil {
		o.OnPublished = func(time.Duration, int) {}
	}
	if o.recent == 0 {
		o.recent = recentBytes
	}
	if o.segmentAge == 0 {
		o.segmentAge = segmentAge
	}
	if o.now == nil {
		o.now = time.Now
	}
	if o.rand == nil {
		o.rand = rand.Int64N
	}
}

// Outbox is an open outbox. Its methods may be called at once.
type Outbox struct {
	o       Options
	journal *journal.Journal
	ledger  *ledger.Ledger
	opened  atomic.Bool // relay is set

	mu     sync.Mutex // held during a step
	relay  *relay
	wake   chan struct{} // holds one: there is something new
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Open recovers the journal and what is known of its entries. Nothing is published
// before Start.
func Open(o Options) (*Outbox, error) {
	o.defaults()
	l := &ledger.Ledger{}
	b := &Outbox{o: o, ledger: l, wake: make(chan struct{}, 1), cancel: func() {}}
	j, err := journal.Open(o.Dir, journal.Options{
		FS:          o.FS,
		MaxBytes:    o.MaxBytes,
		Reserve:     o.Reserve,
		Beside:      o.Beside,
		SegmentAge:  o.segmentAge,
		Checkpoint:  l.Checkpoint,
		OnFlush:     l.CountEntry,
		Recent:      o.recent,
		Yield:       func() journal.Seq { return b.yield() },
		Yielded:     l.Yielded,
		Log:         o.Log.Named("journal"),
		Now:         o.now,
		Rand:        o.salt,
		Synchronous: o.synchronous,
	}, func(r journal.Record) error {
		if err := ledger.CheckKey(r, o.Keys); err != nil {
			return err
		}
		return l.Recover(r)
	})
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	stats := j.Stats()
	l.Recovered(stats.First, stats.Last, len(j.Damage()) > 0)
	b.journal = j
	b.relay = newRelay(o, j, l)
	b.opened.Store(true)
	return b, nil
}

func newRelay(o Options, j *journal.Journal, l *ledger.Ledger) *relay {
	state := l.State()
	r := &relay{
		stream: o.stream, journal: j, ledger: l, log: o.Log, onSettled: o.OnSettled, onPublished: o.OnPublished,
		cfg: relayConfig{
			Target: ledger.Target{Stream: o.Name, Prefix: o.Prefix},
			verify: o.Verify, retain: o.Retain, refusedAfter: o.RefusedAfter,
			keys: o.Keys, subjects: o.Subjects, subject: o.Subject, fit: o.Fit, setAside: o.SetAside, recheckStreams: o.RecheckStreams,
			now: o.now, rand: o.rand, synchronous: o.synchronous,
		},
		// For how long entries are safe is written with them, and not that it began anew.
		clock:    retainClock{total: state.Clock},
		refusing: map[string]time.Time{},
		logged:   map[string]time.Time{},
		record:   func(m ledger.Mark) { l.Record(j, m) },
	}
	r.mayYield = r.serves
	return r
}

// yield returns the entry up to which the journal may give up everything; 0 while it is opened.
func (b *Outbox) yield() journal.Seq {
	if !b.opened.Load() {
		return 0
	}
	return b.relay.yield()
}

// Start begins to publish to a stream, in the background until Stop. Call it once.
func (b *Outbox) Start(s Stream) {
	b.relay.stream = s
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.done.Go(func() { b.run(ctx) })
}

// run steps until ctx ends.
func (b *Outbox) run(ctx context.Context) {
	awaited := ""
	t := time.NewTimer(0)
	defer t.Stop()
	for ctx.Err() == nil {
		// Once for each connection, or the first start would begin with a stream that is not
		// there yet.
		if server, _ := b.relay.stream.Link(); server != awaited {
			if awaited = server; server != "" {
				b.o.AwaitStreamsChecked(ctx)
			}
		}
		r := b.step(ctx)
		if r.more {
			continue
		}
		t.Reset(r.until.Sub(b.o.now()))
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-r.link:
		case <-t.C:
		}
	}
}

func (b *Outbox) step(ctx context.Context) backoff {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.relay.step(ctx)
}

// Append keeps the messages of one delivery, and returns when they are on stable
// storage. Its errors are those of journal.Append: ErrUnknown means that they may be
// published, all others that they never will.
func (b *Outbox) Append(ctx context.Context, msgs []broker.Message) error {
	entry, err := ledger.EncodeEntry(b.o.now(), msgs, b.o.Keys)
	if err != nil {
		return err
	}
	_, err = b.journal.Append(ctx, entry)
	if err == nil || errors.Is(err, journal.ErrUnknown) {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// Drained reports whether everything that was appended is settled. A message that is
// published directly may only go then, or it would overtake.
func (b *Outbox) Drained() bool {
	return b.ledger.State().Done >= b.journal.Stats().Last
}

// Drain waits until everything that is appended now is settled, or ctx ends.
func (b *Outbox) Drain(ctx context.Context) error {
	last := b.journal.Stats().Last
	for {
		done, changed := b.ledger.Progress()
		if done >= last {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("publish what is pending: %w; it stays in the journal", ctx.Err())
		case <-changed:
		}
	}
}

// Forget notes, on stable storage, that messages are removed from the stream on
// purpose, by their sequences, so that they are not taken for a loss. It waits for
// what is being published.
func (b *Outbox) Forget(ctx context.Context, seqs []uint64) error {
	set := make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		set[seq] = true
	}
	b.mu.Lock()
	for _, m := range b.ledger.Forget(set) {
		b.relay.record(m)
	}
	if !b.relay.serving.Load() {
		b.relay.endSession() // what is healed is found out again
	}
	b.mu.Unlock()
	if err := b.journal.Flush(ctx); err != nil {
		return fmt.Errorf("note in the journal what is removed: %w", err)
	}
	return nil
}

// PendingBytes is the size of what is accepted and not settled yet.
func (b *Outbox) PendingBytes() int64 { return b.ledger.PendingBytes() }

// Account says what became of every accepted event.
func (b *Outbox) Account() ledger.Account { return b.ledger.Account() }

// Stats are those of the journal.
func (b *Outbox) Stats() journal.Stats { return b.journal.Stats() }

// Full returns why the journal has no room for a message, or nil; see journal.Full.
func (b *Outbox) Full() error { return b.journal.Full() }

// Damage returns the damage that was found in the journal.
func (b *Outbox) Damage() []journal.Damage { return b.journal.Damage() }

// Problem returns why nothing is published now, or "". That there is no connection
// is no problem of the outbox.
func (b *Outbox) Problem() string { return b.relay.problem() }

// Serving reports whether the stream was compared with the journal, and what comes is
// published.
func (b *Outbox) Serving() bool { return b.relay.serving.Load() }

// Limit is the server's limit for a message when it was last seen; 0 if it never was.
func (b *Outbox) Limit() int64 { return b.ledger.State().Limit }

// Stop ends publishing, and waits for what is being published: end the connection
// before, or it may take as long as a publish may.
func (b *Outbox) Stop() {
	b.cancel()
	b.done.Wait()
}

// Close stops publishing and closes the journal. What is pending is published after
// the next Open.
func (b *Outbox) Close() error {
	b.Stop()
	b.mu.Lock()
	b.relay.endSession()
	b.mu.Unlock()
	return b.journal.Close()
}
