package batcher

import "time"

// way is a method to publish the messages of several requests.
type way int

const (
	inBatch way = iota
	sideBySide
)

// choice learns which way takes less time for a message: for a stream with replicas, or a server that
// flushes each message, a batch; else, most often, side by side. The other way is tried now and then, since
// either may change with the server and with what else it does.
type choice struct {
	each [2]time.Duration // for a message, smoothed; 0: not tried yet
	next time.Time        // when the way that is worse is tried again
}

const (
	// A trial takes this part of the time at most: a batch may take a hundred times as long as its messages.
	trialShare = 64
	trialEvery = 100 * time.Millisecond // at most
	smoothing  = 8
)

// batch reports whether messages that leave now go as a batch.
func (c *choice) batch(now time.Time) bool {
	w := c.better()
	if c.each[w] > 0 && (c.each[1-w] == 0 || !now.Before(c.next)) {
		w = 1 - w
	}
	return w == inBatch
}

// prefersBatch reports whether a batch is known to be better.
func (c *choice) prefersBatch() bool {
	return c.each[inBatch] > 0 && c.each[sideBySide] > 0 && c.better() == inBatch
}

func (c *choice) better() way {
	if c.each[sideBySide] < c.each[inBatch] {
		return sideBySide
	}
	return inBatch
}

// took notes how long it took until n messages were acknowledged.
func (c *choice) took(w way, n int, d time.Duration, now time.Time) {
	each := max(d/time.Duration(n), 1)
	if before := c.each[w]; before > 0 {
		each = before + (each-before)/smoothing
	}
	worse := 1 - c.better()
	c.each[w] = each
	if w == worse {
		c.tried(d, now)
	}
}

// tried notes that a trial is over, which took so long.
func (c *choice) tried(d time.Duration, now time.Time) {
	c.next = now.Add(max(trialShare*d, trialEvery))
}
