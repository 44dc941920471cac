package ingress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"
)

// firstBuffer bounds what is reserved for a body on the word of its
// Content-Length alone; the rest grows with what really comes.
const firstBuffer = 64 << 10

// bodyStep is how much of the budget a body takes at a time, before its bytes are read.
const bodyStep = 32 << 10

// budgeted reads a body within the bytes that all bodies together may have in memory.
// What comes is counted, not what is announced: a slow sender of a large body
// takes nobody's room.
type budgeted struct {
	body   io.Reader
	budget *semaphore.Weighted
	taken  int64 // of the budget
	read   int64
}

var errBudget = errors.New("the bodies in memory are too many bytes")

func (b *budgeted) Read(p []byte) (int, error) {
	if b.read == b.taken {
		if !b.budget.TryAcquire(bodyStep) {
			return 0, errBudget
		}
		b.taken += bodyStep
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.taken-b.read)])
	b.read += int64(n)
	return n, err
}

func (b *budgeted) release() { b.budget.Release(b.taken) }

// readBody returns the whole body, or a problem and what was read of it: a body is never
// cut. The limit is that of the source's listener. Of a body that announces more only
// the beginning is read, if it comes soon; one that comes in chunks is read to one byte more.
// Release what it took of the budget when the body is not needed any more, also after a problem.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, budget *semaphore.Weighted) (in *budgeted, body []byte, _ *problem) {
	in = &budgeted{body: r.Body, budget: budget}
	if r.ContentLength > limit {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTimeout))
		body, _ = in.readUpTo(beginning, 0) // what there is
		return in, body, bodyTooLarge(r.ContentLength, limit, true)
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
		return in, body, bodyIncomplete(err)
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
			body = slices.Grow(body, least)
		}
		n, err := b.Read(body[len(body):min(int64(cap(body)), most)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}
