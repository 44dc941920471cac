package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/pace"
)

// relay publishes the entries of the journal, in order, and settles them in the
// ledger. It is a machine without a clock of its own: step does the next thing and says how
// long nothing is to be done. Its only goroutine is a publish that is awaited while the next
// entries are read. Its states:
//
//	away         no connection, or a pause after a failure
//	reconciling  the stream is compared with the journal (reconcile.go)
//	healing      what JetStream lost is published again (session.heal)
//	serving      what is pending is published, then what comes
//
// Whatever puts the stream in doubt ends the session, and the next one begins with
// reconciling. So nothing is sent a second time before it was looked for.
type relay struct {
	stream      Stream
	journal     *journal.Journal
	ledger      *ledger.Ledger
	cfg         relayConfig
	log         *zap.Logger
	onSettled   func(Outcomes)
	onPublished func(time.Duration, int)
	clock       retainClock
	pace        pace.Pace
	session     *session // nil while away
	// record makes a step of the ledger and queues its mark in the journal. What the mark
	// tells of has happened; if a crash takes the mark away, the ledger knows too little.
	record func(ledger.Mark)
	// mayYield reports whether the journal may give up retained entries for events that
	// come. It is called from any goroutine.
	mayYield func() bool

	owed        bool // a mark is not flushed that must be
	doubt       bool // the next reconcile looks for every retained message
	pause       time.Duration
	pauseUntil  time.Time
	nextUpkeep  time.Time
	refusing    map[string]time.Time // since when a subject is refused, by subject
	reached     time.Time            // when the newest settled entry was accepted
	denied      int                  // subjects refused since something was stored
	sameSubject sameSubject
	othersAt    time.Time // when messages of another writer came to the stream last, as far as was seen
	wary        bool      // nobody knows what became of the last fast-ingest batch

	halted  atomic.Pointer[string] // why nothing is published now; nil if all is well
	logged  map[string]time.Time   // reasons that were logged since all was well, and when
	failed  time.Time              // when something failed last
	serving atomic.Bool
	servant atomic.Pointer[string] // the server process that is served now, as long as serving
	scanned atomic.Int64           // messages that the newest scans have read; for tests
}

// sameSubject says up to which entry all that is pending has one subject; see othersWait.
type sameSubject struct {
	subject string
	upTo    journal.Seq
}

type relayConfig struct {
	ledger.Target
	verify         time.Duration // between two looks for a loss
	retain         time.Duration
	refusedAfter   time.Duration
	keys           *atrest.Keys
	subjects       []string                    // all that are published to
	subject        func(broker.Message) string // under today's configuration
	fit            func(m broker.Message, limit int64) (broker.Message, bool)
	setAside       func(m broker.Message, why Reason, cause error) error
	recheckStreams func() // see Options.RecheckStreams
	now            func() time.Time
	rand           func(n int64) int64 // 0 to n-1
	synchronous    bool                // nothing is done while a publish is awaited
}

// Reason says why an accepted message is set aside.
type Reason string

// The reasons.
const (
	ReasonRefused    Reason = "refused"    // JetStream will never take it
	ReasonUncaptured Reason = "uncaptured" // the stream has not taken its subject for a while
)

// session is one time of publishing, from reconciling to the next doubt.
type session struct {
	server  string
	info    broker.Info
	plan    plan
	reader  *journal.Reader // of what is pending
	heal    []lostEntry     // still to be published again, in order
	queue   []*item         // read and not settled, in order
	readErr error           // of reading ahead, for the next step to tell
	// checked is when queue was last looked through for repetitions.
	checked time.Time
	bytes   int64 // of queue
	// singles counts the messages that are still sent one at a time, since a batch with them was
	// refused.
	singles    int
	last       uint64 // the highest sequence of the stream that is known
	nextVerify time.Time
}

// backoff says how long nothing is to be done: until a time, or until one of the
// channels is closed, or until an entry is appended.
type backoff struct {
	more  bool // not at all
	until time.Time
	link  <-chan struct{} // nil: the link does not matter
}

// Pauses after a failure, and between two rounds of upkeep.
const (
	firstPause  = 50 * time.Millisecond
	lastPause   = 5 * time.Second
	upkeepEvery = time.Second
)

var (
	errDoubt   = errors.New("the stream may have lost events")
	errNotOurs = errors.New("the stream does not take it")
)

// step does the next thing. It waits for the stream's answer at most.
func (r *relay) step(ctx context.Context) backoff {
	now := r.cfg.now()
	r.upkeep(now)
	server, changed := r.stream.Link()
	switch {
	case server == "":
		r.endSession()
		return backoff{until: r.nextUpkeep, link: changed}
	case r.session != nil && r.session.server != server:
		r.endSession()
		return backoff{more: true}
	case now.Before(r.pauseUntil):
		return backoff{until: earlier(r.pauseUntil, r.nextUpkeep), link: changed}
	}
	worked, err := r.work(ctx, server, now)
	if err != nil {
		if ctx.Err() != nil {
			return backoff{until: r.nextUpkeep, link: changed}
		}
		r.fail(err)
		return backoff{until: earlier(r.pauseUntil, r.nextUpkeep), link: changed}
	}
	if worked {
		return backoff{more: true}
	}
	r.clearHalted(false)
	return backoff{until: earlier(r.session.nextVerify, r.nextUpkeep), link: changed}
}

// work does one thing against the stream. It reports false if there is nothing to do.
func (r *relay) work(ctx context.Context, server string, now time.Time) (bool, error) {
	if err := r.flush(ctx); err != nil {
		return true, err
	}
	if r.session == nil {
		return true, r.begin(ctx, server)
	}
	if s := r.session; !now.Before(s.nextVerify) {
		if err := r.verify(ctx); err != nil {
			r.endSession()
			return true, err
		}
		s.nextVerify = r.cfg.now().Add(r.cfg.verify) // from its end: a slow one leaves time to publish
		if r.serving.Load() {                        // not while it is healed
			r.clock.whole(now)
		}
		return true, nil
	}
	return r.publish(ctx)
}

// begin starts a session.
func (r *relay) begin(ctx context.Context, server string) error {
	info, p, err := r.reconcile(ctx)
	if err != nil {
		return fmt.Errorf("compare the journal with stream %s: %w", r.cfg.Stream, err)
	}
	r.session = &session{
		server: server, info: info, plan: p, heal: p.lost,
		reader:     r.journal.NewReader(r.ledger.State().Done + 1),
		last:       info.Last,
		nextVerify: r.cfg.now().Add(r.cfg.verify),
	}
	if r.wary {
		r.session.singles = 1 // what it ended at may be at the head, and says why if it is alone
	}
	if len(p.lost) == 0 {
		return r.serve(ctx)
	}
	return nil
}

// serve ends reconciling: what was found is so, and all that was lost is there again.
func (r *relay) serve(ctx context.Context) error {
	s := r.session
	if s.plan.more {
		r.endSession()
		r.doubt = true // there is more to heal than fits into one plan
		return nil
	}
	if err := r.noteBaseline(ctx, s); err != nil {
		r.endSession()
		return err
	}
	r.doubt = false
	if r.clock.resume(r.cfg.now(), s.info.Leader) {
		r.ledger.RestartClock(r.clock.read(r.cfg.now()))
	}
	r.servant.Store(&s.server)
	r.serving.Store(true)
	return nil
}

// yield returns the entry up to which the journal may give up what is retained. It is
// called by the journal at any time, also before the relay knows that the link is lost.
func (r *relay) yield() journal.Seq {
	return r.ledger.Yield(r.mayYield())
}

// serves reports whether the stream was compared with the journal, and the link has not
// changed since, known to the relay or not.
func (r *relay) serves() bool {
	if !r.serving.Load() {
		return false
	}
	server, _ := r.stream.Link()
	return server == *r.servant.Load()
}

// endSession forgets what was read. What is not settled is read again.
func (r *relay) endSession() {
	if r.session == nil {
		return
	}
	r.session.reader.Close()
	r.session = nil
	r.serving.Store(false)
	r.clock.pause(r.cfg.now())
}

// fail notes why publishing stopped, and makes the next try wait; the longer, the
// longer nothing was stored.
func (r *relay) fail(err error) {
	now := r.cfg.now()
	r.pause = min(max(2*r.pause, firstPause), lastPause)
	r.pauseUntil = now.Add(r.pause/2 + time.Duration(r.cfg.rand(int64(r.pause))))
	why := err.Error()
	r.halted.Store(&why)
	r.failed = now
	maps.DeleteFunc(r.logged, func(_ string, at time.Time) bool { return now.Sub(at) >= sayAgain })
	if _, said := r.logged[why]; !said {
		r.logged[why] = now
		r.log.Warn("publishing stopped; it goes on by itself, and events are kept in the journal", zap.Error(err))
	}
	r.cfg.recheckStreams()
}

// sayAgain is the time after which a reason that comes and goes is logged again.
const sayAgain = time.Minute

// clearHalted notes that there is nothing that keeps events from being published. Only what was stored
// proves it at once: with nothing to publish, the same may fail again at the next look.
func (r *relay) clearHalted(stored bool) {
	r.pause = 0
	r.halted.Store(nil)
	if !r.failed.IsZero() && (stored || r.cfg.now().Sub(r.failed) > r.cfg.verify) {
		r.failed = time.Time{}
		clear(r.logged)
		r.log.Info("publishing goes on")
	}
}

// problem returns why nothing is published now, or "".
func (r *relay) problem() string {
	if why := r.halted.Load(); why != nil {
		return *why
	}
	return ""
}

// upkeep releases what was retained long enough, and notes the server's limit
// for a start without NATS.
func (r *relay) upkeep(now time.Time) {
	if now.Before(r.nextUpkeep) && r.nextUpkeep.Sub(now) <= upkeepEvery {
		return
	}
	r.nextUpkeep = now.Add(upkeepEvery)
	if upTo := r.ledger.Releasable(r.clock.sure() - r.cfg.retain); upTo > 0 && !r.behind(now) {
		r.record(ledger.Mark{Released: upTo})
	}
	r.journal.Release(r.ledger.State().Released)
	if r.session != nil {
		if limit := r.stream.Limit(); limit != r.ledger.State().Limit {
			r.record(ledger.Mark{Limit: limit})
		}
	}
}

// maxLag is the age of a pending entry from which on retained entries are kept for it.
const maxLag = time.Minute

// behind reports whether an entry is pending that may repeat one which is retained, and
// whose time in the duplicate window is over before it is published.
func (r *relay) behind(now time.Time) bool {
	return r.ledger.State().Done < r.journal.Stats().Last && now.Sub(r.reached) > maxLag
}

// recordFirst is record for a step that must be on stable storage before the bridge
// acts on it.
func (r *relay) recordFirst(ctx context.Context, m ledger.Mark) error {
	r.record(m)
	r.owed = true
	return r.flush(ctx)
}

// flush brings the marks to stable storage that must be there before the bridge acts
// on them. A failed one is tried again before anything else is done.
func (r *relay) flush(ctx context.Context) error {
	if !r.owed {
		return nil
	}
	if err := r.journal.Flush(ctx); err != nil {
		return fmt.Errorf("write to the journal: %w", err)
	}
	r.owed = false
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
