package publisher

import (
	"context"
	"sync"
)

// link tells those who wait when the connection to NATS comes and goes. Its
// zero value is a link that is down.
type link struct {
	mu     sync.Mutex
	server string        // id of the server process that it leads to; "" while it is down
	change chan struct{} // closed at the next change; nil if nobody waits
}

func (l *link) up(server string) { l.set(server) }
func (l *link) down()            { l.set("") }

func (l *link) set(server string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.server == server {
		return
	}
	l.server = server
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
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

// awaitUp waits for a connection. It reports false if ctx ends first.
func (c *conn) awaitUp(ctx context.Context) bool {
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

// serverID names the process of the server that the connection leads to.
func (c *conn) serverID() string {
	server, _ := c.link.state()
	return server
}

// whileUp returns a context that ends when the connection does. Call end.
func (c *conn) whileUp(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	server, changed := c.link.state()
	if server == "" {
		cancel(errNotConnected)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-changed:
			cancel(errLinkLost)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}
