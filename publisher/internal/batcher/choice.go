package batcher

import (
	"math"
	"time"
)

// way is a method to publish the requests that wait.
type way int

const (
	sideBySide way = iota
	inBatch
)

// choice learns in which way requests wait less for their answer: for a stream with replicas, or a server that
// flushes each message, in batches; else, most often, side by side. Most senders wait for an answer before they send
// again, so the way with the shorter wait also publishes more in the same time. The other way is tried now and
// then, since either may change with the server and with what else it does.
type choice struct {
	way   way
	trial bool      // way is the one that was worse
	since time.Time // when way began: a request that came before did not wait in this way alone

	stored int           // requests since
	failed int           // requests since that were not stored
	waited time.Duration // by the stored ones, in all

	usual time.Duration // mean wait before the trial
	won   bool          // so did the trial before
	pause int           // requests between the last trial and the next
	rest  int           // of these, those that are left
}

const (
	// measured is the number of requests of which the mean is taken.
	measured = 256
	// Between two trials are so many requests at least, and at most while they are lost: a batch may take a
	// hundred times as long as its messages side by side, and the requests of a trial wait for that.
	shortestPause = 64 * measured
	longestPause  = 16 * shortestPause
	// noUsual is the usual wait of a way in which nothing is stored.
	noUsual = time.Duration(math.MaxInt64)
)

// answered notes a request that came and was answered at these times, and for which the way made a difference.
func (c *choice) answered(came, now time.Time, stored bool) {
	switch {
	case came.Before(c.since):
		return
	case stored:
		c.stored++
		c.waited += now.Sub(came)
	default:
		c.failed++ // how long it waited says nothing
	}
	switch {
	case c.trial && (c.failed >= measured || c.waited/measured >= c.usual):
		c.judge(false, now)
	case c.trial && c.stored >= measured:
		c.judge(true, now)
	case c.trial:
	case c.failed >= measured:
		c.try(noUsual, now)
	case c.stored >= measured:
		c.rest -= c.stored
		if c.rest <= 0 {
			c.try(c.waited/time.Duration(c.stored), now)
		} else {
			c.stored, c.failed, c.waited = 0, 0, 0
		}
	}
}

// batchTook ends a trial of batches early: whoever is in a batch waits at least as long as that takes.
func (c *choice) batchTook(d time.Duration, now time.Time) {
	if c.trial && c.way == inBatch && d >= c.usual {
		c.judge(false, now)
	}
}

// try begins a trial of the other way.
func (c *choice) try(usual time.Duration, now time.Time) {
	c.usual, c.trial = usual, true
	c.turn(now)
}

// judge ends a trial. The other way is taken when it has won twice in a row, since the load may have changed meanwhile.
func (c *choice) judge(wins bool, now time.Time) {
	c.trial = false
	if wins && !c.won {
		c.won, c.rest = true, 0 // the second trial follows
		c.turn(now)
		return
	}
	if wins {
		c.pause = 0
		c.begin(now)
	} else {
		c.turn(now)
	}
	c.won = false
	c.pause = min(max(2*c.pause, shortestPause), longestPause)
	c.rest = c.pause
}

func (c *choice) turn(now time.Time) {
	c.way = 1 - c.way
	c.begin(now)
}

// begin starts to measure.
func (c *choice) begin(now time.Time) {
	c.since, c.stored, c.failed, c.waited = now, 0, 0, 0
}
