package ingress

import (
	"context"
	"sync"
	"time"
)

// deadlines gives requests the contexts that end their Accept. Those that begin within a short
// time share one: a context and a timer for each request cost more than reading its
// body does.
type deadlines struct {
	timeout time.Duration

	mu      sync.Mutex
	current context.Context
	until   time.Time // a request that begins later gets another one
}

// share is which part of the timeout a context may be old when a request gets it: its Accept
// may end so much before the timeout.
const share = 64

// context returns one that ends when the timeout is over, or up to a 64th of it before.
func (d *deadlines) context() context.Context {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil || !now.Before(d.until) {
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(d.timeout))
		context.AfterFunc(ctx, cancel)
		d.current, d.until = ctx, now.Add(d.timeout/share)
	}
	return d.current
}
