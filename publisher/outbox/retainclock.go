package outbox

import "time"

// retainClock measures how long settled entries were safe to forget: time
// during which the stream was reachable. It stands still while NATS is away. A
// stream that was recovered from a disk may lack what it had acknowledged
// before, so then the time begins anew for everything.
type retainClock struct {
	total  time.Duration // up to when the stream was last found to be whole
	since  time.Time     // when that was; zero while the clock stands still
	leader string
}

// resume lets the clock run. It reports whether the time begins anew.
func (c *retainClock) resume(now time.Time, leader string) bool {
	changed := leader != c.leader
	c.leader, c.since = leader, now
	return changed
}

// pause stops the clock. What has passed since the stream was last looked at does not
// count.
func (c *retainClock) pause() { c.since = time.Time{} }

// whole notes that the stream has what it acknowledged.
func (c *retainClock) whole(now time.Time) {
	c.total, c.since = c.read(now), now
}

// sure is what read returned when the stream was last found to be whole. What it lost
// since is not known yet, however long the bridge was asleep.
func (c *retainClock) sure() time.Duration { return c.total }

// read returns the time that has passed. A wall clock that was set back does not
// turn it back.
func (c *retainClock) read(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.total
	}
	return c.total + max(now.Sub(c.since), 0)
}
