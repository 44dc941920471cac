// Package batcher publishes the messages of requests that wait for their PubAck: those that come
// together leave together.
package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// Batcher publishes the requests of many callers to one stream: those that wait together
// leave as one atomic batch. One batch is in flight, and nothing waits for more to come. Where the
// stream takes no batches, or takes longer for one than for its messages, they leave side by side.
//
// A request that is refused does no harm to those beside it: a refused batch is sent again
// request by request. The messages of a request are stored all or none, but for a stream
// without batches, a request of more than 1000, and one that repeats what the stream has.
type Batcher struct {
	stream *broker.Stream
	stop   context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}

	// Of the goroutine that publishes.
	info   broker.Info
	server string    // that info is of; "": look again
	infoAt time.Time // when info was asked for
	choice choice

	mu      sync.Mutex // guards what follows
	waiting []*request
	closed  bool
}

// request is a call of Publish.
type request struct {
	msgs  []broker.Message
	bytes int64
	ctx   context.Context
	done  chan Outcome // receives one
}

var (
	errClosed    = errors.New("shutting down")
	errNoSubject = errors.New("the stream does not take this subject")
)

// New starts a Batcher. Call Close.
func New(s *broker.Stream) *Batcher {
	ctx, stop := context.WithCancel(context.Background())
	b := &Batcher{stream: s, stop: stop, wake: make(chan struct{}, 1)}
	b.done.Go(func() { b.run(ctx) })
	return b
}

// Close ends the publishing. What waits is NotSent.
func (b *Batcher) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.done.Wait()
	for _, r := range b.take(true) {
		r.end(broker.Result{Status: broker.NotSent, Err: errClosed})
	}
}

// Publish returns when it is known what became of the messages, or ctx ends: then they are
// NotSent if they were waiting, and Unknown if they were on their way. One status is told of all:
// where some are stored and the next is not, it is Unknown.
func (b *Batcher) Publish(ctx context.Context, msgs []broker.Message) Outcome {
	r := &request{msgs: msgs, ctx: ctx, done: make(chan Outcome, 1)}
	for _, m := range msgs {
		r.bytes += m.Size() + int64(len(m.Subject))
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return Outcome{Result: broker.Result{Status: broker.NotSent, Err: errClosed}}
	}
	b.waiting = append(b.waiting, r)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	select {
	case o := <-r.done:
		return o
	case <-ctx.Done():
	}
	if b.withdraw(r) {
		return Outcome{Result: broker.Result{Status: broker.NotSent, Err: ctx.Err()}}
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case o := <-r.done:
		return o
	case <-late.C:
		return Outcome{Result: broker.Result{Err: fmt.Errorf("no PubAck: %w", ctx.Err())}}
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

// take returns the requests that leave next, in their order.
func (b *Batcher) take(all bool) []*request {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, messages, bytes := 0, 0, int64(0)
	for _, r := range b.waiting {
		messages, bytes = messages+len(r.msgs), bytes+r.bytes
		if !all && n > 0 && (messages > groupMessages || bytes > groupBytes) {
			break
		}
		n++
	}
	group := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if len(b.waiting) == 0 {
		b.waiting = nil
	}
	return group
}

func (b *Batcher) run(ctx context.Context) {
	for {
		select {
		case <-b.wake:
		case <-ctx.Done():
			return
		}
		for ctx.Err() == nil {
			group := b.take(false)
			if len(group) == 0 {
				break
			}
			b.publish(ctx, group)
		}
	}
}

// publish sends a group and tells its requests.
func (b *Batcher) publish(ctx context.Context, group []*request) {
	if err := b.refreshInfo(ctx); err != nil {
		status := broker.NotSent
		if errors.Is(err, broker.ErrNoStream) {
			status = broker.RefusedSubject
		}
		for _, r := range group {
			r.end(broker.Result{Status: status, Err: err})
		}
		return
	}
	group = b.captured(group)
	var msgs []broker.Message
	for _, r := range group {
		msgs = append(msgs, r.msgs...)
	}
	if len(group) > 1 && b.info.Batches && len(msgs) <= largestBatch && b.choice.batch() {
		began := time.Now()
		got := b.stream.Publish(ctx, msgs)
		if got.Status != broker.Refused {
			if got.Status == broker.Stored {
				b.choice.took(inBatch, len(msgs), time.Since(began))
			}
			b.deliver(group, got)
			return
		}
		b.server = "" // it may not be what it was
		for _, r := range group {
			b.apart(ctx, []*request{r}) // the one that is refused may do harm to those beside it
		}
		return
	}
	single, rest := separate(group)
	b.apart(ctx, single)
	for _, r := range rest {
		b.apart(ctx, []*request{r})
	}
}

// separate returns the requests that may be on their way at the same time: those of one message,
// and each id once, since one that is on its way twice is answered neither as stored nor as a
// repetition.
func separate(group []*request) (single, rest []*request) {
	ids := make(map[string]struct{}, len(group))
	for _, r := range group {
		id := r.msgs[0].ID
		if _, twice := ids[id]; len(r.msgs) > 1 || twice && id != "" {
			rest = append(rest, r)
			continue
		}
		ids[id] = struct{}{}
		single = append(single, r)
	}
	return single, rest
}

// apart sends each request for itself, all at once: they have no order among them,
// since none was answered before the others came. Several have one message each.
func (b *Batcher) apart(ctx context.Context, group []*request) {
	if len(group) == 0 {
		return
	}
	began := time.Now()
	var doubt, other atomic.Bool
	end := func(r *request, o Outcome) {
		doubt.CompareAndSwap(false, o.Status != broker.Stored)
		other.CompareAndSwap(false, o.Status != broker.Stored || len(r.msgs) > 1)
		r.done <- o
	}
	group = slices.DeleteFunc(group, func(r *request) bool {
		err := r.ctx.Err()
		if err != nil {
			other.Store(true)
			r.end(broker.Result{Status: broker.NotSent, Err: err})
		}
		return err != nil
	})
	if len(group) > 0 {
		b.stream.AwaitAfterLimit(ctx)
	}
	if len(group) == 1 {
		end(group[0], b.alone(ctx, group[0]))
	} else {
		msgs := make([]broker.Message, len(group))
		for i, r := range group {
			msgs[i] = r.msgs[0]
		}
		b.stream.PublishEach(ctx, msgs, func(i int, got broker.Result) { end(group[i], outcomeOf(got)) })
	}
	if doubt.Load() {
		b.server = "" // the stream may not be what it was
	}
	if len(group) > 1 && !other.Load() {
		b.choice.took(sideBySide, len(group), time.Since(began))
	}
}

// deliver gives each request its part of the result of a batch.
func (b *Batcher) deliver(group []*request, got broker.Result) {
	for _, r := range group {
		r.end(got)
		if got.Status == broker.Stored {
			got.First += uint64(len(r.msgs))
		}
	}
}

func (r *request) end(got broker.Result) { r.done <- Outcome{Result: got} }

// refreshInfo makes sure that info is what the stream was a short time ago, on this connection.
func (b *Batcher) refreshInfo(ctx context.Context) error {
	b.stream.AwaitAfterLimit(ctx)
	server, _ := b.stream.Link()
	if server == "" {
		return link.ErrNotConnected
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
			b.server = ""
			r.end(broker.Result{Status: broker.RefusedSubject, Err: fmt.Errorf("stream %s, subject %s: %w", b.stream.Name(), m.Subject, errNoSubject)})
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

// alone sends one request.
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
