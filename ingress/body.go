package ingress

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
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
// Call release when the body is not needed any more, also after a problem.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, budget *semaphore.Weighted) (body []byte, release func(), _ *problem) {
	in := &budgeted{body: r.Body, budget: budget}
	if r.ContentLength > limit {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTimeout))
		var b bytes.Buffer
		_, _ = b.ReadFrom(io.LimitReader(in, beginning)) // what there is
		return b.Bytes(), in.release, bodyTooLarge(r.ContentLength, limit, true)
	}
	body, problem := readAll(r, in, limit)
	return body, in.release, problem
}

func readAll(r *http.Request, in io.Reader, limit int64) ([]byte, *problem) {
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0)+bytes.MinRead, firstBuffer)))
	n, err := b.ReadFrom(io.LimitReader(in, limit+1))
	if n > limit {
		return b.Bytes(), bodyTooLarge(n, limit, false)
	}
	var timeout net.Error
	switch {
	case errors.Is(err, errBudget):
		return nil, tooManyRequests()
	case errors.As(err, &timeout) && timeout.Timeout():
		return b.Bytes(), bodyTimeout(err)
	case err != nil:
		return b.Bytes(), bodyIncomplete(err)
	}
	return b.Bytes(), nil
}
