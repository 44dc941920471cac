// Package link knows what is told of a connection to NATS apart from answers: whether there is one, and
// which publishes broke a rule of the server.
package link

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons why a stream cannot be asked now.
var (
	ErrNotConnected = errors.New("not connected to NATS")
	ErrLost         = errors.New("the connection to NATS was lost")
)

// State knows whether there is a connection to NATS, and wakes waiting goroutines when that
// changes. The zero value is a link that is down.
type State struct {
	Gauge prometheus.Gauge // 1 while it is up; nil: none

	mu     sync.Mutex
	server string        // id of the connected server process; "" while the link is down
	size   time.Time     // when the last connection ended since a message may have been too large; zero: it did not
	change chan struct{} // closed at the next change; nil if no goroutine waits
}

// Up notes a connection, and reports whether the link was down before.
func (l *State) Up(server string) bool { return l.set(server, false) == "" }

// Down notes that there is no connection, and whether the size of a message may be why.
func (l *State) Down(size bool) { l.set("", size) }

// soon is the time in which a server that ended a connection takes the next one.
const soon = 2 * time.Second

// EndedForSize reports whether the link went down just now since a message may have been too large. The
// next connection is there in a moment then.
func (l *State) EndedForSize() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.size.IsZero() && time.Since(l.size) < soon
}

func (l *State) set(server string, size bool) (before string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.server
	switch {
	case server != "":
		l.size = time.Time{}
	case size:
		l.size = time.Now()
	}
	if before == server {
		return before
	}
	l.server = server
	if l.Gauge != nil {
		up := 0.0
		if server != "" {
			up = 1
		}
		l.Gauge.Set(up)
	}
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
	return before
}

// Get returns the server, and a channel that is closed at the next change.
func (l *State) Get() (server string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.change == nil {
		l.change = make(chan struct{})
	}
	return l.server, l.change
}

// AwaitUp waits for a connection. It reports false if ctx ends first.
func (l *State) AwaitUp(ctx context.Context) bool {
	for {
		server, changed := l.Get()
		if server != "" {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// WhileUp returns a context that ends when the connection does, with ErrNotConnected or
// ErrLost as its cause. Call end.
func (l *State) WhileUp(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	server, changed := l.Get()
	if server == "" {
		cancel(ErrNotConnected)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-changed:
			cancel(ErrLost)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}
