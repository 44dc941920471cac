package main

import (
	"context"
	"runtime"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// calm is the share of the processors up to which the rest of the machine may
// take part without a measurement being made again. A ratio can only cancel out
// what disturbs both of its sides.
const calm = 0.10

// tries is how often a disturbed measurement is made at most.
const tries = 4

// measureCalm measures, again while others disturb it and there is time, and
// keeps what was disturbed the least. Every stream was checked each time.
func (r *running) measureCalm(ctx context.Context, b *bench, s shape, round int) (cell, error) {
	best, err := r.measure(ctx, b, s, round)
	for i := 1; i < tries && err == nil && best.Others > calm && time.Now().Before(b.repeatUntil); i++ {
		var c cell
		c, err = r.measure(ctx, b, s, round)
		c.Answered += best.Answered
		c.Refused += best.Refused
		c.Unknown += best.Unknown
		c.tally.add(best.tally)
		if c.Others > best.Others {
			least := best
			least.Answered, least.Refused, least.Unknown, least.tally = c.Answered, c.Refused, c.Unknown, c.tally
			c = least
		}
		best = c
	}
	return best, err
}

// watchOthers begins to watch what the rest of the machine does. The function
// that it returns says what share of the processors that took since then.
func (b *bench) watchOthers() func() float64 {
	began, busy, ours := time.Now(), proc.Busy(), b.group.CPU()
	return func() float64 {
		all := time.Since(began).Seconds() * float64(runtime.NumCPU())
		return max(0, ((proc.Busy()-busy)-(b.group.CPU()-ours)).Seconds()/all)
	}
}
