package connections

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline is the deadline of the reads of a connection, or of its writes. net/http moves it seven times for a
// request, and each move of the operating system's timer costs 0.15 µs: so that one is moved only to an earlier time. When it
// fires too early, because the deadline was moved away meanwhile, it is set again and nobody hears of it. The
// methods may be called at the same time.
type deadline struct {
	mu     sync.Mutex
	wanted time.Time // zero: none
	armed  time.Time // of the connection below, not after wanted; zero: none
}

// want moves the deadline; arm sets that of the connection below.
func (d *deadline) want(t time.Time, arm func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = t
	if t.IsZero() || !d.armed.IsZero() && !t.Before(d.armed) {
		return nil
	}
	d.armed = t
	return arm(t)
}

// early reports whether err says that the connection below is at its deadline before it is wanted. Then that one
// is set again, and what was interrupted may go on.
func (d *deadline) early(err error, arm func(time.Time) error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted.IsZero() && !time.Now().Before(d.wanted) {
		return false
	}
	d.armed = d.wanted
	return arm(d.armed) == nil
}

// Read reads, until the read deadline.
func (b *Conn) Read(p []byte) (int, error) {
	for {
		n, err := b.Conn.Read(p)
		if err == nil || n > 0 || !b.reading.early(err, b.Conn.SetReadDeadline) {
			return n, err
		}
	}
}

// Write writes, until the write deadline. What several calls write at the same time may be mixed up; net/http and
// crypto/tls make one at a time.
func (b *Conn) Write(p []byte) (n int, err error) {
	for {
		m, err := b.Conn.Write(p[n:])
		n += m
		if err == nil || !b.writing.early(err, b.Conn.SetWriteDeadline) {
			return n, err
		}
	}
}

// SetDeadline sets both deadlines, as that of net.Conn does.
func (b *Conn) SetDeadline(t time.Time) error {
	return errors.Join(b.SetReadDeadline(t), b.SetWriteDeadline(t))
}

// SetReadDeadline is that of net.Conn, but it may return nil on a closed connection.
func (b *Conn) SetReadDeadline(t time.Time) error { return b.reading.want(t, b.Conn.SetReadDeadline) }

// SetWriteDeadline is that of net.Conn, but it may return nil on a closed connection.
func (b *Conn) SetWriteDeadline(t time.Time) error {
	return b.writing.want(t, b.Conn.SetWriteDeadline)
}
