package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

// PublishEach sends messages side by side, each as a plain publish and in no order. It calls
// tell once for each, with its index and what Publish would return of it alone, as soon as that is
// known: from several goroutines, and it must not block. No two messages may have the same id.
// It returns when all were told, and ends as Publish does.
// If one of several is so large that the server ends the connection, those that were not
// answered before are Unknown, since the server does not name it.
//
// They share what a request takes: the subscription to the answers, the deadline, and the goroutine.
func (s *Stream) PublishEach(ctx context.Context, msgs []Message, tell func(int, Result)) {
	e := &each{stream: s, msgs: msgs, tell: tell, id: nuid.Next(), told: make([]bool, len(msgs)), heard: make([]bool, len(msgs)), left: len(msgs), all: make(chan struct{})}
	none := func(err error) { e.end(func(int) Result { return Result{Status: NotSent, Err: err} }) }
	if len(msgs) == 0 {
		return
	}
	if err := ctx.Err(); err != nil {
		none(err)
		return
	}
	server, changed := s.conn.Link()
	switch {
	case server == "":
		none(link.ErrNotConnected)
		return
	case s.hanging.Load() > 0:
		none(errHanging) // see run
		return
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	e.watch = s.conn.watch(msgs, len(msgs))
	sent := make(chan struct{})
	s.busy.Go(func() { // the write may hang; see run
		defer close(sent)
		e.send(within)
	})
	why := e.await(ctx, within, changed)
	cancel()
	e.finish(why, sent)
}

// each is one call of PublishEach.
type each struct {
	stream *Stream
	msgs   []Message
	id     string
	tell   func(int, Result)
	all    chan struct{} // closed when all were told
	watch  *link.Watch
	heard  []bool // what was answered; of the goroutine of the subscription

	mu    sync.Mutex // guards what follows
	begun int        // so many may have been given to the client
	ended bool       // no more of them will be
	told  []bool
	left  int // not told
}

// result tells what became of a message, the first time.
func (e *each) result(i int, r Result) {
	e.mu.Lock()
	before := e.told[i]
	e.told[i] = true
	if !before {
		e.left--
	}
	last := !before && e.left == 0
	e.mu.Unlock()
	if !before {
		e.tell(i, r)
	}
	if last {
		close(e.all)
	}
}

// notGiven notes that the client has not taken a message.
func (e *each) notGiven(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.begun = i
	}
}

// next reports whether a message may be given to the client.
func (e *each) next(i int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.begun = i + 1
	}
	return !e.ended
}

// send gives the messages to the client.
func (e *each) send(ctx context.Context) {
	nc := e.stream.conn.NATS()
	inbox, err := e.stream.replies.begin(nc, e.id, e)
	if err != nil {
		e.end(func(int) Result {
			return Result{Status: NotSent, Err: fmt.Errorf("subscribe to the answers: %w", err)}
		})
		return
	}
	var w wire
	prefix := inbox + "." + e.id + "."
	for i, m := range e.msgs {
		if ctx.Err() != nil || !e.next(i) {
			return
		}
		msg := w.of(m)
		msg.Reply = prefix + strconv.Itoa(i)
		err := nc.PublishMsg(msg)
		switch {
		case err == nil:
			e.watch.Sent()
			continue
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded):
			e.notGiven(i)
			return // why it ended comes apart from that
		case isBroken(broken(err)):
			e.watch.Sent()
			return
		case errors.Is(err, nats.ErrMaxPayload):
			e.stream.conn.LearnLimit()
		}
		e.result(i, Result{Status: Classify(err), Err: err})
	}
}

// await returns when all are told, or else why no more will be.
func (e *each) await(ctx, within context.Context, changed <-chan struct{}) error {
	for {
		select {
		case <-e.all:
			return nil
		case err := <-e.watch.Denied:
			e.refuse(err)
		case <-changed:
			if e.watch.Exceeds() {
				e.refuse(link.ErrExceeds)
			}
			select {
			case err := <-e.watch.Denied:
				e.refuse(err)
			default:
			}
			return link.ErrLost
		case <-within.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			return e.stream.conn.denied.Explain(fmt.Errorf("no PubAck within %s", e.stream.timeout))
		}
	}
}

// refuse tells the messages that the server has dropped.
func (e *each) refuse(err error) {
	var d *link.DeniedError
	for i, m := range e.msgs {
		if errors.Is(err, link.ErrExceeds) {
			e.result(i, Result{Status: RefusedSize, Err: err})
		} else if errors.As(err, &d) && d.Subject == m.Subject {
			e.result(i, Result{Status: RefusedSubject, Err: err})
		}
	}
}

// finish tells those that are left why there is no answer, and leaves a write behind that hangs.
func (e *each) finish(why error, sent <-chan struct{}) {
	s := e.stream
	forget := func() {
		s.replies.end(e.id)
		e.watch.Stop()
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-sent:
		forget()
	case <-late.C:
		why = fmt.Errorf("write to NATS hangs: %w", why)
		s.hanging.Add(1)
		s.busy.Go(func() {
			<-sent
			forget()
			s.hanging.Add(-1)
		})
	}
	e.mu.Lock()
	e.ended = true
	begun := e.begun
	e.mu.Unlock()
	e.end(func(i int) Result {
		if i >= begun {
			return Result{Status: NotSent, Err: why}
		}
		return Result{Err: why}
	})
}

// end tells those that are left.
func (e *each) end(result func(int) Result) {
	for i := range e.msgs {
		e.result(i, result(i))
	}
}

// answer takes the answer to a message, whose index is the first of the words.
func (e *each) answer(words []string, m *nats.Msg) {
	i, err := strconv.Atoi(words[0])
	if err != nil || i < 0 || i >= len(e.msgs) {
		return
	}
	if !e.heard[i] {
		e.heard[i] = true
		e.watch.Answered(1)
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		err := nobody(e.msgs[i].Subject, nats.ErrNoResponders)
		e.result(i, Result{Status: Classify(err), Err: err})
		return
	}
	if seq, ok := e.stream.plainAck(m.Data); ok {
		e.result(i, Result{Status: Stored, First: seq})
		return
	}
	a := &attempt{stream: e.stream, msgs: e.msgs[i : i+1]}
	e.result(i, a.answered(m.Data, ""))
}

// plainAck reads the PubAck of a message that was stored in this stream, as the server writes
// it outside of a domain: it is most of them, and encoding/json takes 1 µs more. It reports false for any other answer.
func (s *Stream) plainAck(data []byte) (seq uint64, ok bool) {
	rest, ours := bytes.CutPrefix(data, s.ackPrefix)
	digits, ends := bytes.CutSuffix(rest, []byte("}"))
	if !ours || !ends || !s.inDomain("") {
		return 0, false
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		seq = 10*seq + uint64(d-'0')
	}
	return seq, seq > 0 && digits[0] != '0'
}
