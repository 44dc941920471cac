package broker

import (
	"context"
	"errors"
	"sync"
)

// Reasons why a stream cannot be asked now.
var (
	ErrNotConnected = errors.New("not connected to NATS")
	ErrLinkLost     = errors.New("the connection to NATS was lost")
)

// Link returns the id of the connected server process, "" without a connection, and a channel that
// is closed at the next change.
func (c *Conn) Link() (server string, changed <-chan struct{}) { return c.link.Get() }

// AwaitUp waits for a connection. It reports false if ctx ends first.
func (c *Conn) AwaitUp(ctx context.Context) bool { return c.link.AwaitUp(ctx) }

// ServerID returns the id of the connected server process; "" without a connection.
func (c *Conn) ServerID() string {
	server, _ := c.link.Get()
	return server
}

// WhileUp returns a context that ends when the connection does, with ErrNotConnected or
// ErrLinkLost as its cause. Call end.
func (c *Conn) WhileUp(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	server, changed := c.link.Get()
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
