package publisher

import (
	"sync"
	"time"
)

// retainClock measures how long settled entries were safe to forget: time
// during which the stream was reachable. It stands still while NATS is away. A
// server that was started again may not have flushed what it acknowledged
// before, so then the time begins anew for everything.
type retainClock struct {
	restarted func(now time.Duration) // called when the time begins anew

	mu      sync.Mutex
	total   time.Duration
	since   time.Time // zero while it stands still
	serving string    // id of the server process
}

// resume lets the clock run, towards the given server.
func (c *retainClock) resume(server string) {
	c.mu.Lock()
	changed := server != c.serving
	c.serving, c.since = server, time.Now()
	now := c.total
	c.mu.Unlock()
	if changed {
		c.restarted(now)
	}
}

func (c *retainClock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total = c.read()
	c.since = time.Time{}
}

func (c *retainClock) now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

func (c *retainClock) read() time.Duration {
	if c.since.IsZero() {
		return c.total
	}
	return c.total + time.Since(c.since)
}
