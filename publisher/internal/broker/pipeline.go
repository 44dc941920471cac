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

// Pipeline publishes messages side by side, each as a plain publish and in no order: the next may
// leave before those before them are answered. They share the subscription to the answers, and need no
// goroutine and no timer of their own. Publish is for one goroutine; the other methods may be called at any time.
//
// If one of several on their way is so large that the server ends the connection, those that were not answered
// before are Unknown, since the server does not name it.
type Pipeline struct {
	stream *Stream
	id     string
	ended  chan struct{} // closed by Close

	mu      sync.Mutex // guards what follows, and the state of each Single
	closed  bool
	hangs   bool               // a message was given up while it was given to the client
	last    uint64             // key that was given out last
	waiting map[uint64]*Single // those that were not told, by their keys
}

// Single is a message for a Pipeline.
type Single struct {
	Message Message
	// Tell is called once with what Stream.Publish would return of the message alone, as soon as
	// that is known. It must not block.
	Tell func(Result)

	key     uint64
	changed <-chan struct{} // closed when the link is lost on which it leaves
	watch   *link.Watch
	begun   bool // it may have been given to the client
	over    bool // it was given up before it began, and must not leave
	leaving bool // it may be given to the client at this moment
}

// NewPipeline returns a Pipeline. Call Close.
func (s *Stream) NewPipeline() *Pipeline {
	p := &Pipeline{stream: s, id: nuid.Next(), ended: make(chan struct{}), waiting: map[uint64]*Single{}}
	_, changed := s.Link()
	s.busy.Go(func() { p.watchLink(changed) })
	return p
}

// Close gives up what was not answered: it is Unknown, or NotSent, because of why. Call it once.
func (p *Pipeline) Close(why error) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.ended)
	p.stream.replies.end(p.id)
	for _, m := range p.those(func(*Single) bool { return true }) {
		p.GiveUp(m, why)
	}
}

// Publish gives messages to the client and returns. A write that hangs makes it hang too, for the
// client's write timeout at most; GiveUp works meanwhile. No two messages on their way may have the same id.
// An answer is awaited until GiveUp is called, or the link is lost.
func (p *Pipeline) Publish(ctx context.Context, msgs []*Single) {
	s := p.stream
	server, changed := s.conn.Link()
	nc := s.conn.NATS()
	inbox, err := s.replies.begin(nc, p.id, p)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case server == "":
		err = link.ErrNotConnected
	case s.hanging.Load() > 0:
		err = errHanging // see run
	case err != nil:
		err = fmt.Errorf("subscribe to the answers: %w", err)
	}
	if err == nil && !p.register(msgs, changed) {
		err = link.ErrNotConnected
	}
	if err != nil {
		for _, m := range msgs {
			m.Tell(Result{Status: NotSent, Err: err})
		}
		return
	}
	err = p.send(nc, inbox+"."+p.id+".", msgs)
	p.left(msgs)
	if err == nil {
		return
	}
	// Why it ended comes apart from that. Until then the connection counts as up, and what is published
	// next would leave on it.
	late := time.NewTimer(s.timeout)
	defer late.Stop()
	select {
	case <-changed:
		err = link.ErrLost
	case <-late.C:
	case <-p.ended:
	}
	for _, m := range msgs {
		if !m.begun { // of this goroutine until it is told
			p.end(m, Result{Status: NotSent, Err: err})
		}
	}
}

// register makes messages ready to be answered. It reports false if they must not leave.
func (p *Pipeline) register(msgs []*Single, changed <-chan struct{}) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || isClosed(changed) { // watchLink may have gone past what was on that link
		return false
	}
	for _, m := range msgs {
		p.last++
		m.key, m.changed, m.leaving = p.last, changed, true
		m.watch = p.stream.conn.denied.WatchMessage(m.Message.Subject, func(err error) {
			p.end(m, Result{Status: RefusedSubject, Err: err})
		})
		p.waiting[m.key] = m
	}
	return true
}

// send gives the messages to the client. The error is that of a connection which has ended, or is about to.
func (p *Pipeline) send(nc *nats.Conn, prefix string, msgs []*Single) error {
	var w wire
	for _, m := range msgs {
		if !p.begin(m) {
			p.end(m, Result{Status: NotSent, Err: errors.New("given up before it was sent")}) // unless GiveUp has told it
			continue
		}
		msg := w.of(m.Message)
		msg.Reply = prefix + strconv.FormatUint(m.key, 10)
		err := nc.PublishMsg(msg)
		switch {
		case err == nil:
			m.watch.Sent()
			continue
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded):
			p.mu.Lock()
			m.begun = false // the client has not taken it
			p.mu.Unlock()
			return err
		case isBroken(broken(err)):
			m.watch.Sent()
			return err
		case errors.Is(err, nats.ErrMaxPayload):
			p.stream.conn.LearnLimit()
		}
		p.end(m, Result{Status: Classify(err), Err: err})
	}
	return nil
}

// begin reports whether a message may be given to the client: it was not given up.
func (p *Pipeline) begin(m *Single) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.begun = p.waiting[m.key] != nil && !m.over
	return m.begun
}

// left notes that nothing of the messages can leave any more.
func (p *Pipeline) left(msgs []*Single) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hangs {
		p.hangs = false
		p.stream.hanging.Add(-1)
	}
	for _, m := range msgs {
		m.leaving = false
		if p.waiting[m.key] == nil {
			m.watch.Stop()
		}
	}
}

// end tells what became of a message, unless it was told before.
func (p *Pipeline) end(m *Single, r Result) {
	p.mu.Lock()
	waits := p.waiting[m.key] != nil
	delete(p.waiting, m.key)
	if waits && !m.leaving {
		m.watch.Stop()
	}
	p.mu.Unlock()
	if waits {
		m.Tell(r)
	}
}

// GiveUp ends the wait for an answer, because of why: the message is NotSent if the client was not given it, and
// Unknown else. It does nothing to a message that was told. One that is not published yet does not leave: Publish tells it.
func (p *Pipeline) GiveUp(m *Single, why error) {
	p.mu.Lock()
	r := Result{Status: NotSent, Err: why}
	if m.over = !m.begun; m.begun {
		r = Result{Err: p.stream.conn.denied.Explain(why)}
	}
	if m.begun && m.leaving && !p.hangs {
		p.hangs = true
		p.stream.hanging.Add(1) // see run
	}
	p.mu.Unlock()
	p.end(m, r)
}

// those returns the messages on their way for which is returns true.
func (p *Pipeline) those(is func(*Single) bool) (found []*Single) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.waiting {
		if is(m) {
			found = append(found, m)
		}
	}
	return found
}

// watchLink tells those that were on their way when a link was lost, until Close.
func (p *Pipeline) watchLink(changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-p.ended:
			return
		}
		_, changed = p.stream.Link() // before it looks, or the next loss could be missed
		for _, m := range p.those(func(m *Single) bool { return isClosed(m.changed) }) {
			if m.watch.Exceeds() {
				p.end(m, Result{Status: RefusedSize, Err: link.ErrExceeds})
			} else {
				p.GiveUp(m, link.ErrLost)
			}
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// answer takes the answer to a message, whose key is the first of the words.
func (p *Pipeline) answer(words []string, msg *nats.Msg) {
	key, err := strconv.ParseUint(words[0], 10, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	m := p.waiting[key]
	p.mu.Unlock()
	if m == nil {
		return
	}
	m.watch.Answered(1)
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		err := nobody(m.Message.Subject, nats.ErrNoResponders)
		p.end(m, Result{Status: Classify(err), Err: err})
		return
	}
	if seq, ok := p.stream.plainAck(msg.Data); ok {
		p.end(m, Result{Status: Stored, First: seq})
		return
	}
	a := &attempt{stream: p.stream, msgs: []Message{m.Message}}
	p.end(m, a.answered(msg.Data, ""))
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
