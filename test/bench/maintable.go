package main

import (
	"context"
	"errors"
	"time"
)

// mainTable is the load of the main table.
type mainTable struct {
	names       []string
	connections []int
	rounds      int
	budget      time.Duration
	warmUp      time.Duration
	measure     time.Duration
	body        int
}

// errUnequal is returned when a stream did not hold what was answered 2xx.
var errUnequal = errors.New("a stream does not hold exactly what was answered 2xx")

// maxRate bounds the events of a run: more than any machine of today answers.
const maxRate = 200_000

func (m mainTable) run(ctx context.Context, b *bench) ([]cell, error) {
	body, err := b.body(m.body)
	if err != nil {
		return nil, err
	}
	var shapes []shape
	for _, n := range m.connections {
		shapes = append(shapes, shape{
			connections: n, warmUp: m.warmUp, measure: m.measure, body: body,
			count: int(maxRate * m.measure.Seconds()),
		})
	}
	b.repeatUntil = time.Now().Add(m.budget)
	cells, err := b.rounds(ctx, m.names, shapes, m.rounds, m.budget)
	for _, c := range cells {
		if c.wrong() {
			err = errors.Join(err, errUnequal)
			break
		}
	}
	return cells, err
}
