package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons why a stream cannot be asked now.
var (
	ErrNotConnected = errors.New("not connected to NATS")
	ErrLinkLost     = errors.New("the connection to NATS was lost")
)

// link knows whether there is a connection to NATS, and wakes waiting goroutines when that
// changes. The zero value is a link that is down.
type link struct {
	gauge prometheus.Gauge // 1 while it is up; nil: none

	mu     sync.Mutex
	server string        // id of the connected server process; "" while the link is down
	change chan struct{} // closed at the next change; nil if no goroutine waits
}

// up notes a connection, and reports whether the link was down before.
func (l *link) up(server string) bool { return l.set(server) == "" }
func (l *link) down()                 { l.set("") }

func (l *link) set(server string) (before string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.server
	if before == server {
		return before
	}
	l.server = server
	if l.gauge != nil {
		up := 0.0
		if server != "" {
			up = 1
		}
		l.gauge.Set(up)
	}
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
	return before
}

// state returns the server, and a channel that is closed at the next change.
func (l *link) state() (server string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.change == nil {
		l.change = make(chan struct{})
	}
	return l.server, l.change
}

// Link returns the id of the connected server process, "" without a connection, and a channel that
// is closed at the next change.
func (c *Conn) Link() (server string, changed <-chan struct{}) { return c.link.state() }

// AwaitUp waits for a connection. It reports false if ctx ends first.
func (c *Conn) AwaitUp(ctx context.Context) bool {
	for {
		server, changed := c.link.state()
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

// ServerID returns the id of the connected server process; "" without a connection.
func (c *Conn) ServerID() string {
	server, _ := c.link.state()
	return server
}

// WhileUp returns a context that ends when the connection does, with ErrNotConnected or
// ErrLinkLost as its cause. Call end.
func (c *Conn) WhileUp(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	server, changed := c.link.state()
	if server == "" {
		cancel(ErrNotConnected)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-changed:
			cancel(ErrLinkLost)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}
