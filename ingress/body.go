package ingress

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
)

// firstBuffer bounds what is reserved for a body on the word of its
// Content-Length alone; the rest grows with what really comes.
const firstBuffer = 64 << 10

// readBody returns the whole body, or a problem: a body is never cut. The
// limit is that of the source's listener; a body that announces more is not
// read at all, and one that comes in chunks is read to one byte more.
func readBody(r *http.Request, limit int64) ([]byte, *problem) {
	if r.ContentLength > limit {
		return nil, bodyTooLarge(r.ContentLength, limit, true)
	}
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0)+bytes.MinRead, firstBuffer)))
	n, err := b.ReadFrom(io.LimitReader(r.Body, limit+1))
	if n > limit {
		return nil, bodyTooLarge(n, limit, false)
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, bodyTimeout(err)
	case err != nil:
		return nil, bodyIncomplete(err)
	}
	return b.Bytes(), nil
}
