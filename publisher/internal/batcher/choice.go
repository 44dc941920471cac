package batcher

import "time"

// way is a method to publish the requests that wait.
type way int

const (
	sideBySide way = iota
	inBatch
)

// choice learns in which way requests wait less for their answer: for a stream with replicas, or a server that
// flushes each message, in batches; else, most often, side by side. As many senders as there are wait for each other's
// answers, so the way with the shorter wait also publishes more in the same time. The other way is tried now and
// then, since either may change with the server and with what else it does.
type choice struct {
	way   way
	trial bool      // way is the one that was worse
	since time.Time // a request that came before did not wait in this way alone

	n      int           // requests since that were stored
	waited time.Duration // by them, in all
	failed int           // requests since that were not

	usual time.Duration // mean wait before the trial
	won   bool          // so did the trial before
	next  time.Time     // when the other way is tried
	pause time.Duration // from the end of the last trial to next
}

const (
	// measured is the number of requests of which the mean is taken.
	measured = 256
	// A trial takes this part of the time at most: the other way may make requests wait a hundred times as long.
	trialShare = 64
	// The pause between two trials grows to this while they are lost.
	longestPause = time.Minute
)

// answered notes that a request which came at a time was answered now. How long one waited that was not stored says
// nothing, but a trial with many of them is lost.
func (c *choice) answered(came, now time.Time, stored bool) {
	if came.Before(c.since) {
		return
	}
	if !stored {
		if c.failed++; c.failed >= measured && c.trial {
			c.judge(false, now)
		}
		return
	}
	c.n++
	c.waited += now.Sub(came)
	if c.n < measured {
		return
	}
	mean := c.waited / time.Duration(c.n)
	switch {
	case c.trial:
		c.judge(mean < c.usual, now)
	case !now.Before(c.next):
		c.usual, c.trial = mean, true
		c.turn(now)
	default:
		c.n, c.waited, c.failed = 0, 0, 0
	}
}

// batchTook ends a trial of batches early: whoever is in a batch waits at least as long as that takes.
func (c *choice) batchTook(d time.Duration, now time.Time) {
	if c.trial && c.way == inBatch && d >= c.usual {
		c.judge(false, now)
	}
}

// judge ends a trial. The other way is taken when it has won twice in a row, since the load may have changed meanwhile.
func (c *choice) judge(wins bool, now time.Time) {
	took := now.Sub(c.since)
	c.trial = false
	switch {
	case wins && c.won:
		c.won, c.pause = false, 0
		c.begin(now)
	case wins:
		c.won = true
		c.turn(now)
		return // to the second trial
	default:
		c.won = false
		c.turn(now)
	}
	c.pause = max(trialShare*took, min(2*c.pause, longestPause))
	c.next = now.Add(c.pause)
}

func (c *choice) turn(now time.Time) {
	c.way = 1 - c.way
	c.begin(now)
}

// begin starts to measure.
func (c *choice) begin(now time.Time) {
	c.since, c.n, c.waited, c.failed = now, 0, 0, 0
}
