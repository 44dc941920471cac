package broker

import (
	"context"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

// Reason explains to the operator why there is no connection, and what would mend it; "" if the
// cause is unknown or there is a connection. It repeats no secret.
func (c *Conn) Reason() string {
	err := c.Away()
	if err == nil {
		return ""
	}
	text := link.WithoutPort(err.Error())
	if fix := c.cfg.Remedy(err); fix != "" {
		text += ": " + fix
	}
	return text
}

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

// WhileUp returns a context that ends when the connection does, with link.ErrNotConnected or
// link.ErrLost as its cause. Call end.
func (c *Conn) WhileUp(ctx context.Context) (_ context.Context, end func()) {
	return c.link.WhileUp(ctx)
}
