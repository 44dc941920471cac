package load

import (
	"context"
	"time"
)

// Closed runs a closed loop: each connection sends its next event when the last
// one was answered, until a time has passed or a count is reached. It measures
// how much a server can do; a latency under it is that of a saturated server.
func (c *Client) Closed(ctx context.Context, count int, d time.Duration) (*Result, error) {
	return c.run(ctx, count, d, func(w worker) error {
		for {
			now := time.Now()
			if !now.Before(w.end) {
				return nil
			}
			i, ok := w.take()
			if !ok {
				return nil
			}
			if err := w.post(i, now); err != nil {
				return err
			}
		}
	})
}
