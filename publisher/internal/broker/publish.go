package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

// Headers of an atomic batch. The server keeps them with the messages.
const (
	batchPrefix    = "Nats-Batch-"
	batchID        = batchPrefix + "Id"
	batchSequence  = batchPrefix + "Sequence"
	batchCommit    = batchPrefix + "Commit"
	expectedPrefix = "Nats-Expected-"
)

// grace is the time that Publish waits beyond its deadline for a precise answer.
const grace = 50 * time.Millisecond

var (
	errHanging = errors.New("an earlier write to NATS hangs")
	errNothing = errors.New("there is nothing to publish")
)

// Publish sends messages so that all of them are stored, next to each other and in
// their order, or none: one as a plain publish, several as an atomic batch, which
// Info.Batches must allow. It does not retry, and it does not change the messages, whose
// headers may be shared; conditions (Nats-Expected-…) and batch headers, which older
// entries carry, are left out. A batch that is proven not to be stored is Refused, even
// where one of its messages alone would be RefusedSubject, RefusedSize or RefusedForGood.
//
// It ends within the stream's timeout. A message that the user may not publish ends at once:
// the server drops it.
//
// Orbit's jetstreamext.PublishMsgBatch is not used: it writes into the headers that it
// is given, waits for an answer to the first message, and ends with one kind of error
// whether the commit had left or not, which is what makes Unknown of Refused.
func (s *Stream) Publish(ctx context.Context, msgs []Message) Result {
	a := &attempt{stream: s, msgs: msgs}
	return a.run(ctx, a.send)
}

// run calls send, and ends within the stream's timeout even if send hangs in a write.
func (a *attempt) run(ctx context.Context, send func(context.Context) Result) Result {
	s, msgs := a.stream, a.msgs
	if len(msgs) == 0 {
		return Result{Status: NotSent, Err: errNothing}
	}
	if err := ctx.Err(); err != nil {
		return Result{Status: NotSent, Err: err}
	}
	server, changed := s.conn.Link()
	if server == "" {
		return Result{Status: NotSent, Err: link.ErrNotConnected}
	}
	if s.hanging.Load() > 0 {
		// It may leave at any time, also on the next connection. What is sent now could come
		// before it.
		return Result{Status: NotSent, Err: errHanging}
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()

	// The client holds its lock while it writes, and a peer that does not read
	// can make that last for seconds, which no context ends. So the write is
	// left behind when the time is up.
	a.done, a.watch = make(chan Result, 1), s.conn.watch(msgs)
	s.busy.Go(func() { a.done <- send(within) })
	var why Result
	select {
	case r := <-a.done:
		defer a.watch.Stop()
		if !isBroken(r.Err) {
			return r
		}
		// Why comes apart from that. Until then the connection counts as up, and what is published
		// next would leave on it.
		select {
		case <-changed:
		case <-within.Done():
		}
		if a.watch.Exceeds() {
			return a.denied(link.ErrExceeds)
		}
		return r
	case err := <-a.watch.Denied:
		why = a.denied(err)
	case <-changed:
		why = a.lost()
	case <-within.Done():
		if why.Err = ctx.Err(); why.Err == nil {
			why.Err = s.conn.denied.Explain(fmt.Errorf("no PubAck within %s", s.timeout))
		}
	}
	cancel()
	return a.end(why)
}

// attempt is one call of Publish or PublishFast.
type attempt struct {
	stream *Stream
	msgs   []Message
	fast   bool        // a part of msgs can be stored
	done   chan Result // receives the result of send
	watch  *link.Watch // stopped when nothing of it can leave any more
	phase  atomic.Int32
}

// The phases of an attempt. Before it is committed nothing of it can be stored: its only
// message, or the last one of its batch, or the first one of a fast-ingest batch, was not given to
// the client.
const (
	preparing int32 = iota
	committed
	givenUp
)

// commit reports whether the message that decides may be sent.
func (a *attempt) commit() bool { return a.phase.CompareAndSwap(preparing, committed) }

// end returns the result of an attempt whose time is up: why, unless send knows more.
func (a *attempt) end(why Result) Result {
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case r := <-a.done:
		a.watch.Stop()
		if r.Status != Unknown && (why.Status == Unknown || !isBroken(r.Err)) {
			return r
		}
		return why
	case <-late.C:
	}
	s := a.stream
	s.hanging.Add(1)
	s.busy.Go(func() {
		a.done <- <-a.done
		a.watch.Stop()
		s.hanging.Add(-1)
	})
	why.Err = fmt.Errorf("write to NATS hangs: %w", why.Err)
	if a.phase.CompareAndSwap(preparing, givenUp) {
		why.Status = NotSent
	}
	return why
}

// denied returns the result of an error that the server reported apart from an answer.
func (a *attempt) denied(err error) Result {
	if a.fast {
		return Result{Err: err} // those before it may be stored
	}
	if errors.Is(err, link.ErrExceeds) {
		return Result{Status: a.refused(RefusedSize), Err: err}
	}
	return Result{Status: a.refused(RefusedSubject), Err: err}
}

// lost returns the result of an attempt whose connection ended.
func (a *attempt) lost() Result {
	if a.watch.Exceeds() {
		return a.denied(link.ErrExceeds)
	}
	select {
	case err := <-a.watch.Denied:
		return a.denied(err)
	default:
		return Result{Err: link.ErrLost}
	}
}

// brokenError is an error of the client that comes with the end of a connection, before it is known
// why it ended.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

// broken marks an error of the client that comes with the end of a connection: it is closed, about to
// be made again, or could not be written to.
func broken(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) || Classify(err) == Unknown {
		return brokenError{err}
	}
	return err
}

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenError](err)
	return ok
}

// refused returns the status of a proven refusal: alone if there is one message. Of a batch another
// message may be the cause.
func (a *attempt) refused(alone Status) Status {
	if len(a.msgs) > 1 {
		return Refused
	}
	return alone
}

// send publishes and waits for the PubAck.
func (a *attempt) send(ctx context.Context) Result {
	var w wire
	nc := a.stream.conn.NATS()
	if len(a.msgs) == 1 {
		return a.request(ctx, nc, w.of(a.msgs[0]), "")
	}
	batch, last := nuid.Next(), len(a.msgs)-1
	for i, m := range a.msgs {
		msg := w.of(m)
		w.set(batchID, batch)
		w.set(batchSequence, strconv.Itoa(i+1))
		if i == last {
			w.set(batchCommit, "1")
			return a.request(ctx, nc, msg, batch)
		}
		if err := ctx.Err(); err != nil {
			return Result{Status: NotSent, Err: err}
		}
		if err := a.publish(nc, msg); err != nil {
			// The server forgets the messages before it: their commit never comes.
			status := Refused
			if i == 0 && Classify(err) == NotSent {
				status = NotSent
			}
			return Result{Status: status, Err: fmt.Errorf("publish message %d of a batch: %w", i+1, err)}
		}
	}
	return Result{} // not reached
}

// publish gives a message to the client.
func (a *attempt) publish(nc *nats.Conn, msg *nats.Msg) error {
	err := nc.PublishMsg(msg)
	if err == nil || Classify(err) == Unknown {
		a.watch.Sent()
	}
	return broken(err)
}

// request sends the message that decides: the only one, or the last of a batch. An empty batch
// means that there is none.
func (a *attempt) request(ctx context.Context, nc *nats.Conn, msg *nats.Msg, batch string) Result {
	if err := ctx.Err(); err != nil || !a.commit() {
		return Result{Status: NotSent, Err: errors.Join(err, errHanging)}
	}
	answer, err := nc.RequestMsgWithContext(ctx, msg)
	if err != nil {
		switch {
		case errors.Is(err, nats.ErrMaxPayload):
			a.stream.conn.LearnLimit()
		case errors.Is(err, nats.ErrNoResponders):
			err = nobody(msg.Subject, err)
		case Classify(err) == Unknown:
			a.watch.Sent()
		}
		return Result{Status: a.classify(err), Err: broken(err)}
	}
	a.watch.Sent()
	a.watch.Answered(len(a.msgs))
	return a.answered(answer.Data, batch)
}

func nobody(subject string, err error) error {
	return fmt.Errorf("nothing answers on %s, so no stream has it, or a mapping of the account takes it elsewhere: %w", subject, err)
}

func (a *attempt) classify(err error) Status {
	if len(a.msgs) > 1 {
		return classifyBatch(err)
	}
	return Classify(err)
}

// pubAck is the answer to a publish.
type pubAck struct {
	Error     *jetstream.APIError `json:"error"`
	Stream    string              `json:"stream"`
	Domain    string              `json:"domain"`
	Sequence  uint64              `json:"seq"`
	Duplicate bool                `json:"duplicate"`
	Batch     string              `json:"batch"`
	Count     int                 `json:"count"`
}

func (a *attempt) answered(data []byte, batch string) Result {
	var ack pubAck
	if err := json.Unmarshal(data, &ack); err != nil {
		return Result{Err: fmt.Errorf("%w: %w", jetstream.ErrInvalidJSAck, err)}
	}
	name := a.stream.name
	if ack.Error != nil {
		r := Result{Status: a.classify(ack.Error), Err: ack.Error}
		if ack.Stream != "" && ack.Stream != name {
			r.Err = otherStream(ack.Stream, name, ack.Error)
			if r.Status != Unknown {
				r.Status = a.refused(RefusedSubject)
			}
		}
		return r
	}
	n := len(a.msgs)
	switch {
	case ack.Stream == "" || ack.Sequence < uint64(n):
		return Result{Err: fmt.Errorf("%w: stream %q, sequence %d", jetstream.ErrInvalidJSAck, ack.Stream, ack.Sequence)}
	case ack.Stream != name:
		return Result{Err: otherStream(ack.Stream, name, nil)}
	case !a.stream.inDomain(ack.Domain):
		return Result{Err: otherDomain(ack.Domain, name)}
	case n > 1 && (ack.Batch != batch || ack.Count != n):
		return Result{Err: fmt.Errorf("%w: it does not acknowledge the batch of %d messages as one", jetstream.ErrInvalidJSAck, n)}
	}
	return Result{Status: Stored, First: ack.Sequence - uint64(n) + 1, Duplicate: ack.Duplicate}
}
