package main

import (
	"context"
	"runtime"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/proc"
	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

// calm is the share of the processors up to which the rest of the machine may
// take part without a measurement being made again. A ratio can only cancel out
// what disturbs both of its sides.
const calm = 0.10

// tries bounds the attempts at a disturbed measurement.
const tries = 3

// disturbed reports whether others took more than is calm, and more than is
// usual here: on a machine that is never calm, more rounds tell more than
// measuring the same round again.
func (b *bench) disturbed(others float64) bool {
	return others > calm && others > 1.25*ratio.Of(b.others).Median
}

// calmTurns measures some contestants by turns, again while others disturb that
// and there is time, and keeps what was disturbed the least: for all of them the
// same turns, since they are compared. Every stream is checked each time.
func (b *bench) calmTurns(ctx context.Context, all []*running, s shape, round, first int) ([]cell, error) {
	if s.connections > fewConnections && len(all) > 1 {
		return b.oneByOne(ctx, all, s, round)
	}
	best, err := b.turns(ctx, all, s, round, first)
	b.others = append(b.others, othersIn(best))
	for i := 1; i < tries && err == nil && b.disturbed(othersIn(best)) && time.Now().Before(b.repeatUntil); i++ {
		var again []cell
		again, err = b.turns(ctx, all, s, round, first+i)
		if err != nil {
			return best, err
		}
		b.others = append(b.others, othersIn(again))
		kept, dropped := again, best
		if othersIn(again) > othersIn(best) {
			kept, dropped = best, again
		}
		for j := range kept { // an event that was lost counts wherever it was lost
			kept[j].counts.add(dropped[j].counts)
		}
		best = kept
	}
	return best, err
}

// oneByOne is calmTurns for so many connections that those to all contestants
// would be more than a process may have.
func (b *bench) oneByOne(ctx context.Context, all []*running, s shape, round int) ([]cell, error) {
	var cells []cell
	for _, r := range all {
		c, err := b.calmTurns(ctx, []*running{r}, s, round, 0)
		if err != nil {
			return cells, err
		}
		cells = append(cells, c...)
	}
	return cells, nil
}

// othersIn is the share that others took while some contestants had their turns.
func othersIn(cells []cell) float64 {
	sum := 0.0
	for _, c := range cells {
		sum += c.Others
	}
	return sum / float64(max(1, len(cells)))
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
