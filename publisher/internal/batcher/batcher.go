// Package batcher publishes the messages of requests that wait for their PubAck: those that come
// together leave together.
package batcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

// Bounds of what a Batcher sends at once. The server takes batches of 1000 by default.
const (
	groupMessages = 500
	groupBytes    = 1 << 20
	largestBatch  = 1000
	infoAge       = 10 * time.Second // after which the stream is looked at again
	// mostGroups is the number of groups that are on their way side by side. More of them are smaller, and
	// cost more for each message, in the bridge and in the server; see docs/performance.md.
	mostGroups = 2
	// grace is the time that Publish waits for a precise answer after its deadline.
	grace = 50 * time.Millisecond
)

// Outcome is the result of publishing the messages of one request.
type Outcome struct {
	broker.Result
	// Duplicates is the number of messages that the stream had already; they count as
	// stored, and then the sequences need not follow each other.
	Duplicates int
}

// Batcher publishes the requests of many callers to one stream: those that wait together, a group,
// leave as one atomic batch, and one batch is in flight. Where the stream takes no batches, or requests wait
// longer for them (choice), those of one message leave side by side, and the next group before the one before it is answered.
// Nothing waits for more to come.
//
// A request that is refused does no harm to those beside it: a refused batch is sent again
// request by request. The messages of a request are stored all or none, but for a stream
// without batches, a request of more than 1000, and one that repeats what the stream has.
//
// Requests have no order among them unless one was answered before the other came.
type Batcher struct {
	stream   *broker.Stream
	pipeline *broker.Pipeline
	stop     context.CancelFunc
	done     chan struct{} // closed when run has ended
	wake     chan struct{}
	doubt    atomic.Bool // the stream may not be what it was

	// Of the goroutine that publishes.
	info   broker.Info
	server string    // that info is of; "": look again
	infoAt time.Time // when info was asked for

	mu      sync.Mutex // guards what follows
	choice  choice
	waiting []*request
	closed  bool
	groups  int                 // on their way side by side
	ids     map[string]struct{} // of the messages in them that are not answered
}

// request is a call of Publish.
type request struct {
	msgs   []broker.Message
	bytes  int64
	came   time.Time
	chosen bool // it leaves in another way than it might have
	ctx    context.Context
	done   chan Outcome // receives one
	single broker.Single
	flight *flight // nil unless it leaves side by side
}

// flight is a group that leaves side by side.
type flight struct{ left int } // requests that are not answered

var (
	errClosed    = errors.New("shutting down")
	errNoSubject = errors.New("the stream does not take this subject")
)

// New starts a Batcher. Call Close.
func New(s *broker.Stream) *Batcher {
	ctx, stop := context.WithCancel(context.Background())
	b := &Batcher{
		stream: s, pipeline: s.NewPipeline(), stop: stop,
		done: make(chan struct{}), wake: make(chan struct{}, 1), ids: map[string]struct{}{},
	}
	s.Go(func() {
		defer close(b.done)
		b.run(ctx)
	})
	return b
}

// Close ends the publishing, once. What waits is NotSent. A write that hangs is left behind: the Wait of the stream waits
// for it.
func (b *Batcher) Close() {
	b.mu.Lock()
	before := b.closed
	b.closed = true
	b.mu.Unlock()
	if before {
		return
	}
	b.stop()
	b.pipeline.Close(errClosed)
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-b.done:
	case <-late.C:
	}
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, r := range waiting {
		b.end(r, broker.Result{Status: broker.NotSent, Err: errClosed})
	}
}

// Publish returns when it is known what became of the messages, or ctx ends: then they are
// NotSent if they were waiting, and Unknown if they were on their way. ctx must end, since nothing else
// bounds the wait for the PubAck of a message. One status is told of all:
// where some are stored and the next is not, it is Unknown.
func (b *Batcher) Publish(ctx context.Context, msgs []broker.Message) Outcome {
	r := b.newRequest(ctx, msgs)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return Outcome{Result: broker.Result{Status: broker.NotSent, Err: errClosed}}
	}
	b.waiting = append(b.waiting, r)
	b.mu.Unlock()
	b.awake()
	select {
	case o := <-r.done:
		return o
	case <-ctx.Done():
	}
	if b.withdraw(r) {
		return Outcome{Result: broker.Result{Status: broker.NotSent, Err: ctx.Err()}}
	}
	why := fmt.Errorf("no PubAck: %w", ctx.Err())
	b.pipeline.GiveUp(&r.single, why)
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case o := <-r.done:
		return o
	case <-late.C:
		return Outcome{Result: broker.Result{Err: why}}
	}
}

func (b *Batcher) newRequest(ctx context.Context, msgs []broker.Message) *request {
	r := &request{msgs: msgs, came: time.Now(), ctx: ctx, done: make(chan Outcome, 1)}
	for _, m := range msgs {
		r.bytes += m.Size() + int64(len(m.Subject))
	}
	if len(msgs) == 1 {
		r.single = broker.Single{Message: msgs[0], Tell: func(got broker.Result) { b.told(r, got) }}
	}
	return r
}

// awake makes run look for something to do.
func (b *Batcher) awake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// withdraw reports whether r was still waiting.
func (b *Batcher) withdraw(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, w := range b.waiting {
		if w == r {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take returns the requests that leave next, in their order, and how; none if that has to wait until
// others are answered. Those that leave side by side have one message each, and no two the same id, since one that is
// on its way twice is answered neither as stored nor as a repetition. Anything else leaves when nothing is on its way.
func (b *Batcher) take() (group []*request, w way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, messages, bytes := 0, 0, int64(0)
	for _, r := range b.waiting {
		messages, bytes = messages+len(r.msgs), bytes+r.bytes
		if n > 0 && (messages > groupMessages || bytes > groupBytes) {
			break
		}
		n++
	}
	w = sideBySide
	chosen := b.info.Batches && (n > 1 || b.groups > 0)
	if chosen {
		w = b.choice.way // in batches, a lone one waits while others are on their way
	}
	switch singles := 0; {
	case w == sideBySide && b.groups < mostGroups:
		g := &flight{}
		for singles < n && b.launch(b.waiting[singles], g) {
			singles++
		}
		switch {
		case singles > 0:
			n = singles
			b.groups++
		case b.groups > 0:
			n = 0
		default:
			n = min(n, 1)
		}
	case b.groups > 0:
		n = 0
	}
	group = b.waiting[:n:n]
	for _, r := range group {
		r.chosen = chosen
	}
	b.waiting = b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil
	}
	return group, w
}

// launch notes that a request leaves side by side with those of a group. It reports false if it must not.
func (b *Batcher) launch(r *request, g *flight) bool {
	if _, twice := b.ids[r.id()]; len(r.msgs) != 1 || twice && r.id() != "" {
		return false
	}
	b.ids[r.id()] = struct{}{}
	r.flight = g
	g.left++
	return true
}

// told takes the outcome of a request that left side by side.
func (b *Batcher) told(r *request, got broker.Result) {
	b.mu.Lock()
	delete(b.ids, r.id())
	if r.flight.left--; r.flight.left == 0 {
		b.groups--
		if len(b.waiting) > 0 {
			b.awake()
		}
	}
	b.mu.Unlock()
	b.tell(r, outcomeOf(got)) // after that, so that who sends again at once is not taken for one beside it
}

// tell tells a request what became of it.
func (b *Batcher) tell(r *request, o Outcome) {
	r.done <- o
	stored := o.Status == broker.Stored
	if !stored {
		b.doubt.Store(true)
	}
	if !r.chosen {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.choice.answered(r.came, time.Now(), stored)
}

func (b *Batcher) run(ctx context.Context) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil && b.waits() {
			err := b.refreshInfo(ctx)
			group, w := b.take()
			if len(group) == 0 {
				break // until others are answered
			}
			if err != nil {
				b.refuse(group, err)
			} else {
				b.publish(ctx, group, w)
			}
		}
	}
}

func (b *Batcher) waits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

// refuse tells requests that the stream cannot be seen.
func (b *Batcher) refuse(group []*request, err error) {
	status := broker.NotSent
	if errors.Is(err, broker.ErrNoStream) {
		status = broker.RefusedSubject
	}
	for _, r := range group {
		b.end(r, broker.Result{Status: status, Err: err})
	}
}

// publish sends a group. It returns when its requests are told, unless they left side by side.
func (b *Batcher) publish(ctx context.Context, group []*request, w way) {
	group = b.captured(group)
	switch {
	case len(group) == 0:
	case group[0].flight != nil:
		b.sideBySide(ctx, group)
	case w == inBatch && len(group) > 1:
		b.batch(ctx, group)
	default:
		for _, r := range group {
			b.apart(ctx, r)
		}
	}
}

// sideBySide sends requests of one message each, and does not wait for their answers.
func (b *Batcher) sideBySide(ctx context.Context, group []*request) {
	singles := make([]*broker.Single, 0, len(group))
	for _, r := range group {
		if err := r.ctx.Err(); err != nil {
			b.told(r, broker.Result{Status: broker.NotSent, Err: err})
			continue
		}
		singles = append(singles, &r.single)
	}
	b.pipeline.Publish(ctx, singles)
}

// batch sends requests as one atomic batch.
func (b *Batcher) batch(ctx context.Context, group []*request) {
	var msgs []broker.Message
	for _, r := range group {
		msgs = append(msgs, r.msgs...)
	}
	began := time.Now()
	got := b.stream.Publish(ctx, msgs)
	now := time.Now()
	b.mu.Lock()
	b.choice.batchTook(now.Sub(began), now)
	b.mu.Unlock()
	if got.Status != broker.Refused {
		b.deliver(group, got)
		return
	}
	b.doubt.Store(true)
	for _, r := range group {
		b.apart(ctx, r) // the one that is refused may do harm to those beside it
	}
}

// apart sends one request when nothing else is on its way, and waits for its outcome.
func (b *Batcher) apart(ctx context.Context, r *request) {
	if err := r.ctx.Err(); err != nil {
		b.end(r, broker.Result{Status: broker.NotSent, Err: err})
		return
	}
	b.stream.AwaitAfterLimit(ctx)
	b.tell(r, b.alone(ctx, r))
}

// deliver gives each request its part of the result of a batch.
func (b *Batcher) deliver(group []*request, got broker.Result) {
	for _, r := range group {
		b.end(r, got)
		if got.Status == broker.Stored {
			got.First += uint64(len(r.msgs))
		}
	}
}

// end tells a request that was not sent, or in a batch.
func (b *Batcher) end(r *request, got broker.Result) {
	if r.flight != nil {
		b.told(r, got)
		return
	}
	b.tell(r, Outcome{Result: got})
}

// id is that of a request of one message. The caller may use msgs again when it is told.
func (r *request) id() string { return r.single.Message.ID }

// refreshInfo makes sure that info is what the stream was a short time ago, on this connection.
func (b *Batcher) refreshInfo(ctx context.Context) error {
	b.stream.AwaitAfterLimit(ctx)
	server, _ := b.stream.Link()
	if server == "" {
		return link.ErrNotConnected
	}
	if b.doubt.Swap(false) {
		b.server = ""
	}
	if server == b.server && time.Since(b.infoAt) < infoAge {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.stream.Timeout())
	defer cancel()
	info, err := b.stream.Info(ctx)
	if err != nil {
		return err
	}
	b.info, b.server, b.infoAt = info, server, time.Now()
	return nil
}

// captured refuses the requests that the stream does not take: they would be stored in the
// stream that does.
func (b *Batcher) captured(group []*request) []*request {
	var kept []*request
	for _, r := range group {
		if m := b.uncaptured(r.msgs); m != nil {
			b.end(r, broker.Result{Status: broker.RefusedSubject, Err: fmt.Errorf("stream %s, subject %s: %w", b.stream.Name(), m.Subject, errNoSubject)})
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

func (b *Batcher) uncaptured(msgs []broker.Message) *broker.Message {
	for i := range msgs {
		if !b.info.Captures(msgs[i].Subject) {
			return &msgs[i]
		}
	}
	return nil
}

// alone sends one request and waits for its outcome.
func (b *Batcher) alone(ctx context.Context, r *request) Outcome {
	if n := len(r.msgs); n == 1 || b.info.Batches && n <= largestBatch {
		got := b.stream.Publish(ctx, r.msgs)
		if n == 1 || got.Status != broker.Refused || !broker.IsRepetition(got.Err) {
			if errors.Is(got.Err, link.ErrExceeds) {
				got.Status = broker.RefusedSize // one of its messages is, and nothing of it is stored
			}
			return outcomeOf(got)
		}
	}
	return b.oneByOne(ctx, r)
}

// outcomeOf is the outcome of a request whose messages were sent together.
func outcomeOf(got broker.Result) Outcome {
	o := Outcome{Result: got}
	if got.Duplicate {
		o.Duplicates = 1
	}
	return o
}

// oneByOne sends the messages of a request, each when the one before is stored.
func (b *Batcher) oneByOne(ctx context.Context, r *request) (o Outcome) {
	for i := range r.msgs {
		got := broker.Result{Status: broker.NotSent, Err: r.ctx.Err()}
		if got.Err == nil {
			got = b.stream.Publish(ctx, r.msgs[i:i+1])
		}
		if got.Status != broker.Stored {
			if i > 0 {
				got = broker.Result{Err: fmt.Errorf("%d of %d messages are stored, the next is not: %w", i, len(r.msgs), got.Err)}
			}
			o.Result = got
			return o
		}
		if i == 0 {
			o.Result = got
		}
		if got.Duplicate {
			o.Duplicates++
		}
	}
	o.Duplicate = o.Duplicates == len(r.msgs)
	return o
}
