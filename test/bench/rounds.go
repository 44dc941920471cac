package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// leastRounds is the number of rounds that are made even when time is short: fewer have
// no spread.
const leastRounds = 3

// rounds starts the named contestants anew in each round and puts each load on
// them by turns, beginning with another one each time. A contestant whose turn it
// is not is idle.
func (b *bench) rounds(ctx context.Context, names []string, shapes []shape, rounds int, budget time.Duration) ([]cell, error) {
	var cells []cell
	began := time.Now()
	for round := range rounds {
		if perRound := time.Since(began) / time.Duration(max(1, round)); round >= leastRounds && time.Since(began)+perRound > budget {
			b.say("%d rounds instead of %d: the time is used up", round, rounds)
			break
		}
		more, err := b.round(ctx, names, shapes, round)
		cells = append(cells, more...)
		if err != nil {
			return cells, err
		}
		b.say("round %d of %d after %.0f s", round+1, rounds, time.Since(began).Seconds())
	}
	return cells, nil
}

func (b *bench) round(ctx context.Context, names []string, shapes []shape, round int) ([]cell, error) {
	running, err := b.startAll(ctx, names)
	defer func() { killAll(running) }()
	if err != nil {
		return nil, err
	}
	var cells []cell
	for i, s := range shapes {
		more, err := b.calmTurns(ctx, running, s, round, i+round)
		cells = append(cells, more...)
		if err != nil {
			return cells, err
		}
	}
	return cells, nil
}

// startAll starts the named contestants. With an error it returns those that run.
func (b *bench) startAll(ctx context.Context, names []string) ([]*running, error) {
	var all []*running
	for _, name := range names {
		r, err := b.startOne(ctx, name)
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (b *bench) startOne(ctx context.Context, name string) (*running, error) {
	i := slices.IndexFunc(contestants, func(c contestant) bool { return c.name == name })
	r, err := contestants[i].start(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r.contestant, r.path, r.token = contestants[i], "/webhook", token
	return r, nil
}
