package outbox

import "time"

// retainClock measures how long settled entries were safe to forget: time
// during which the stream was reachable. It stands still while NATS is away. A
// stream that was recovered from a disk may lack what it had acknowledged
// before, so then the time begins anew for everything.
type retainClock struct {
	total  time.Duration // up to when the stream was last found to be whole
	open   time.Duration // what has passed since then, before the clock was stopped
	since  time.Time     // when it was last found to be whole, or resumed; zero while the clock stands still
	leader string        // "" before the stream was found to be whole
}

// resume lets the clock run, when the stream was found to be whole. It reports whether
// the time begins anew, which it does unless the same process has led all the time. The
// clock itself is never turned back: what was settled meanwhile has its time.
func (c *retainClock) resume(now time.Time, leader string) bool {
	changed := leader != c.leader
	c.total += c.open
	c.leader, c.since, c.open = leader, now, 0
	return changed
}

// pause stops the clock.
func (c *retainClock) pause(now time.Time) {
	c.open = c.read(now) - c.total
	c.since = time.Time{}
}

// whole notes that the stream has what it acknowledged.
func (c *retainClock) whole(now time.Time) {
	c.total, c.since, c.open = c.read(now), now, 0
}

// sure returns the reading of the time when the stream was last found to be whole, 0 if it was not
// yet. What it lost since is not known, however long the bridge was asleep.
func (c *retainClock) sure() time.Duration {
	if c.leader == "" {
		return 0
	}
	return c.total
}

// read returns the time that has passed. A wall clock that was set back does not
// turn it back.
func (c *retainClock) read(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.total + c.open
	}
	return c.total + c.open + max(now.Sub(c.since), 0)
}
