package outbox

import "time"

// retainClock measures how long settled entries were safe to forget: time
// during which the stream was reachable. It stands still while NATS is away. A
// stream that was recovered from a disk may lack what it had acknowledged
// before, so then the time begins anew for everything.
type retainClock struct {
	total  time.Duration
	since  time.Time // zero while it stands still
	leader string
}

// resume lets the clock run. It reports whether the time begins anew.
func (c *retainClock) resume(now time.Time, leader string) bool {
	changed := leader != c.leader
	c.leader, c.since = leader, now
	return changed
}

func (c *retainClock) pause(now time.Time) {
	c.total = c.read(now)
	c.since = time.Time{}
}

// read returns the time that has passed. A wall clock that was set back does not
// turn it back.
func (c *retainClock) read(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.total
	}
	return c.total + max(now.Sub(c.since), 0)
}
