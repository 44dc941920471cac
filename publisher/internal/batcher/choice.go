package batcher

import "time"

// way is a method to publish the messages of several requests.
type way int

const (
	inBatch way = iota
	sideBySide
)

// choice learns which way takes less time for a message: for a stream with replicas a batch,
// for one without, most often, side by side. The other way is tried now and then, since
// either may change with the server and with what else it does. It is for one goroutine.
type choice struct {
	each   [2]time.Duration // for a message, smoothed; 0: not tried yet
	groups int
}

const (
	tryOther  = 32 // groups, of which one goes the other way
	smoothing = 8
)

// batch reports whether the next messages go as a batch.
func (c *choice) batch() bool {
	c.groups++
	better := inBatch
	if c.each[sideBySide] < c.each[inBatch] {
		better = sideBySide
	}
	if c.groups%tryOther == 0 {
		better = 1 - better
	}
	return better == inBatch
}

// took notes how long it took until n messages were acknowledged.
func (c *choice) took(w way, n int, d time.Duration) {
	each := d / time.Duration(n)
	if before := c.each[w]; before > 0 {
		each = before + (each-before)/smoothing
	}
	c.each[w] = each
}
