package ingress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/semaphore"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// firstBuffer bounds what is reserved for a body on the word of its
// Content-Length alone; the rest grows with what really comes.
const firstBuffer = 4 << 10

// freeBody is the part of each body that does not count, so that many large bodies do not keep
// the small ones out: connections and slots bound those.
const freeBody = 32 << 10

// bodyStep is the part of the budget that a body reserves at a time, before its bytes are read.
const bodyStep = 32 << 10

// bodyGrace is the time that a body may take before its rate counts.
const bodyGrace = 5 * time.Second

// budgeted reads a body within the bytes that all bodies together, and those of one source, may have in memory.
// It counts the bytes that have come, and not those that Content-Length announces, so that a slow sender of a
// large body takes no room of others. A body must come at a least rate.
type budgeted struct {
	body    io.Reader
	budgets [2]*semaphore.Weighted // of the listener, and of the source
	taken   int64                  // of each budget
	read    int64

	control     *http.ResponseController
	connections *connections.Bounds
	rate        int64 // least bytes a second after bodyGrace
	begun       time.Time
	latest      time.Time // when the body must be complete in any case
}

var errBudget = errors.New("the bodies in memory are too many bytes")

func (b *budgeted) Read(p []byte) (int, error) {
	if b.read == freeBody+b.taken && !b.take() {
		return 0, errBudget
	}
	if b.read > 0 || b.connections.Drains() {
		b.hurry()
	}
	n, err := b.body.Read(p[:min(int64(len(p)), freeBody+b.taken-b.read)])
	b.read += int64(n)
	return n, err
}

// take takes a step of both budgets, or nothing.
func (b *budgeted) take() bool {
	for i, budget := range b.budgets {
		if !budget.TryAcquire(bodyStep) {
			for _, taken := range b.budgets[:i] {
				taken.Release(bodyStep)
			}
			return false
		}
	}
	b.taken += bodyStep
	return true
}

// fits reports whether there is room for so many bytes now. It takes none of it.
func (b *budgeted) fits(bytes int64) bool {
	for _, budget := range b.budgets {
		if !budget.TryAcquire(bytes) {
			return false
		}
		budget.Release(bytes)
	}
	return true
}

// hurry sets the deadline of the next read by the least rate. A body that comes at
// once does not get here.
func (b *budgeted) hurry() {
	until := b.begun.Add(bodyGrace + time.Duration(b.read)*time.Second/time.Duration(b.rate))
	if until.After(b.latest) {
		until = b.latest
	}
	b.connections.ReadUntil(b.control, until)
}

func (b *budgeted) release() {
	for _, budget := range b.budgets {
		budget.Release(b.taken)
	}
}

// readBody returns the whole body, or a problem and what was read of it: a body is never
// cut. The limit is that of the source's listener. Of a body that announces more only
// the beginning is read, if it comes soon; one that comes in chunks is read to one byte more.
// Release what it took of the budgets when the body is not needed any more, also after a problem.
func (s *snapshot) readBody(c echo.Context, src *source) (in *budgeted, body []byte, _ *problem) {
	r, w, limit := c.Request(), c.Response(), int64(s.config.MaxBody)
	in = &budgeted{body: r.Body, budgets: [2]*semaphore.Weighted{s.bodies, src.bodies}, control: http.NewResponseController(w.Writer), connections: s.connections,
		rate: int64(s.config.MinBodyRate), begun: time.Now()}
	in.latest = in.begun.Add(s.config.BodyTimeout)
	if conn := connections.Of(r.Context()); conn != nil {
		conn.Move(connections.Working, connections.Sending)
		defer conn.Move(connections.Sending, connections.Working)
	}
	if r.ContentLength > limit {
		in.latest = in.begun.Add(lingerTimeout)
		_ = in.control.SetReadDeadline(in.latest)
		body, _ = in.readUpTo(beginning, 0) // what there is
		return in, body, bodyTooLarge(r.ContentLength, limit, true)
	}
	if r.ContentLength > freeBody && !in.fits(r.ContentLength-freeBody) {
		return in, nil, tooManyRequests() // rather than when half of it has come
	}
	body, err := in.readUpTo(limit+1, r.ContentLength)
	if n := int64(len(body)); n > limit {
		return in, body, bodyTooLarge(n, limit, false)
	}
	var timeout net.Error
	switch {
	case errors.Is(err, errBudget):
		return in, nil, tooManyRequests()
	case errors.As(err, &timeout) && timeout.Timeout():
		return in, body, bodyTimeout(err)
	case err != nil:
		return in, body, bodyIncomplete(bodyError(err))
	}
	return in, body, nil
}

// readUpTo reads to the end, but no more than most bytes. It returns what it read also
// with an error.
func (b *budgeted) readUpTo(most, announced int64) ([]byte, error) {
	const least = 512                                              // bytes to read at once
	body := make([]byte, 0, min(max(announced, 0)+1, firstBuffer)) // one more, to see the end
	for int64(len(body)) < most {
		if len(body) == cap(body) {
			grown := max(2*cap(body), least)
			// What is announced is believed when a quarter of it has come: then the rest is read
			// without copying again and again.
			if whole := int(min(announced, most)) + 1; announced > 0 && grown >= whole/2 {
				grown = max(whole, cap(body)+least)
			}
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := b.Read(body[len(body):min(int64(cap(body)), most)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

// bodyError returns what may be said of an error of reading: the text of others can hold what was
// sent, such as a malformed trailer.
func bodyError(err error) error {
	if known := new(net.OpError); errors.As(err, &known) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errors.New("malformed chunks or trailers")
}

// newBodies returns a budget for bodies, in which the largest body fits, and the read that finds its end.
func newBodies(cfg Config, size value.Size) *semaphore.Weighted {
	return semaphore.NewWeighted(int64(max(size, cfg.MaxBody)) + 2*bodyStep)
}

// What a request needs beside its body, while it is parsed and accepted, in bytes. They are
// estimates, from above.
const (
	perByte  = 3       // the envelope, the entry of the journal, and what is sent to NATS
	perOther = 8       // instead, where it is not UTF-8: what stands for it, and its bytes in base64
	perValue = 320     // its place in the index, and what is normalised of it
	perEvent = 4 << 10 // an envelope around almost nothing, made and encoded
)

// freeWork is the work in bytes that no budget counts, since the slots bound it.
const freeWork = 64 << 10

// workOf estimates the bytes that a body needs beside itself. It counts bytes without parsing, so that it
// also counts brackets and commas within strings: it may estimate too much.
func workOf(body []byte, maxElements int) int64 {
	objects := bytes.Count(body, []byte{'{'})
	values := 1 + objects + bytes.Count(body, []byte{'['}) + bytes.Count(body, []byte{','})
	bytewise := int64(perByte)
	if len(body) > freeWork/perOther && !utf8.Valid(body) {
		bytewise = perOther
	}
	work := int64(len(body))*bytewise + int64(min(values, maxElements))*perValue
	if text := bytes.TrimLeft(body, " \t\r\n\ufeff"); len(text) > 0 && text[0] == '[' {
		work += int64(min(objects, delivery.MaxEvents)) * perEvent
	}
	return work
}

// reserve waits until both budgets for work, that of the source and that of all, have room for what a body
// needs beside itself. It returns false if the context ends before; else call release after the work. Most
// bodies need so little that they never wait.
func (s *snapshot) reserve(ctx context.Context, src *source, body []byte) (release func(), ok bool) {
	work := workOf(body, s.config.MaxElements)
	if work <= freeWork {
		return func() {}, true
	}
	// A body that needs more than a whole budget waits until it has the budget alone.
	own, all := min(work, src.memorySize), min(work, int64(s.config.MaxInFlightBytes))
	// The source's first: who waits for it holds no room of other sources.
	if src.memory.Acquire(ctx, own) != nil {
		return nil, false
	}
	if s.memory.Acquire(ctx, all) != nil {
		src.memory.Release(own)
		return nil, false
	}
	return func() {
		src.memory.Release(own)
		s.memory.Release(all)
	}, true
}
