package connections

import (
	"os"
	"sync"
	"time"
)

// backgroundRead knows the read of one byte that net/http begins when a body is complete, to notice that a client
// goes away while its request is being handled. Nothing here wants to know, and the read costs a system call that
// finds nothing, and a timer that interrupts it: 0.7 µs a request. So it waits here instead, until net/http interrupts it.
//
// net/http sets no deadline for that read, and one in the past to interrupt it. Whatever else it does
// while the read waits (another deadline, another read, Close) sends it on its way to the connection, as if it had
// not been held up.
type backgroundRead struct {
	mu      sync.Mutex
	endless bool      // there is no read deadline
	over    bool      // it is in the past, and only this layer knows
	waiting bool      // a read waits
	wake    chan bool // holds one: the read that waited goes on, or is interrupted if it is true
}

// longPast is before every deadline that means a time: net/http uses one of 1970 to interrupt a read.
var longPast = time.Unix(1<<30, 0)

// hold lets a read wait if it is the one in the background. It returns an error if the read was interrupted;
// else it must be made now.
func (b *backgroundRead) hold(size int, serving bool) error {
	b.mu.Lock()
	b.release(false)
	interrupted := b.over
	if !interrupted && size == 1 && serving && b.endless {
		if b.wake == nil {
			b.wake = make(chan bool, 1)
		}
		b.waiting = true
		b.mu.Unlock()
		interrupted = <-b.wake
	} else {
		b.mu.Unlock()
	}
	if interrupted {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// deadline notes a read deadline, and reports whether the connection must have it too.
func (b *backgroundRead) deadline(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endless = t.IsZero()
	b.over = b.waiting && !b.endless && t.Before(longPast)
	if !b.endless {
		b.release(b.over)
	}
	return !b.over
}

// close lets a read go on that waits, for good.
func (b *backgroundRead) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endless = false
	b.release(false)
}

// release lets the read go on that waits, or interrupts it, if there is one. Call it with mu held.
func (b *backgroundRead) release(interrupted bool) {
	if b.waiting {
		b.waiting = false
		b.wake <- interrupted // there is room: nothing was sent since it began to wait
	}
}
