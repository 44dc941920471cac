package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// growthNames are the contestants of the growth figures.
var growthNames = []string{floorName, "journal", "stream"}

// What is both on a y axis and beside it in other tables.
const (
	yRate = "requests/s"
	yCPU  = "CPU, ms per 1,000 events"
)

// growthConnections is the number of connections in figures that vary something else.
const growthConnections = 64

// growShapes puts loads that are x apart on the contestants, in turns.
func (b *bench) growShapes(ctx context.Context, g *growth, o options, xs []int, shapeOf func(x int) (shape, error), y func(cell) float64) error {
	for round := range o.growthRounds {
		all, err := b.startAll(ctx, growthNames)
		if err == nil {
			err = b.growRound(ctx, all, g, round, xs, shapeOf, y)
		}
		killAll(all)
		if err != nil {
			return fmt.Errorf("%s: %w", g.Key, err)
		}
	}
	return nil
}

func (b *bench) growRound(ctx context.Context, all []*running, g *growth, round int, xs []int, shapeOf func(x int) (shape, error), y func(cell) float64) error {
	for i, x := range xs {
		s, err := shapeOf(x)
		if err != nil {
			return err
		}
		cells, err := b.calmTurns(ctx, all, s, round, i+round)
		if err != nil {
			return err
		}
		for _, c := range cells {
			if err := c.err(); err != nil {
				return err
			}
			if n := c.Refused + c.Unknown; n > 0 {
				g.note("%s at %d: not all requests were answered 2xx; the first other answer: %s.", c.Contestant, x, c.FirstFail)
			}
			g.add(c.Contestant, x, y(c), c.beside())
		}
	}
	return nil
}

// err is an error if the stream did not hold what was answered.
func (c cell) err() error {
	if c.wrong() {
		return fmt.Errorf("%s: %w: %+v", c.Contestant, errUnequal, c.account)
	}
	return nil
}

// beside returns the columns of a figure's table beside its y.
func (c cell) beside() map[string]float64 {
	return map[string]float64{yRate: c.Rate, yCPU: c.CPU, "p99 ms": c.P99 / 1000, "peak MB": c.Memory, "others %": 100 * c.Others}
}

// growBody: cost with the size of a body.
func (b *bench) growBody(ctx context.Context, o options, _ load.Body) ([]growth, error) {
	g := &growth{Key: "body", Title: "CPU with the size of a body", X: "bytes of a body", Y: yCPU, Log: true}
	xs := upTo(o.bounds.body, 574, 2000, 8000, 32_000, 128_000, 500_000)
	err := b.growShapes(ctx, g, o, xs, func(x int) (shape, error) {
		body, err := b.body(x)
		return o.shape(16, body), err
	}, func(c cell) float64 { return c.CPU })
	return []growth{g.finish()}, err
}

// shape is a load of the length that the options have, or longer, so that each
// of many connections has its turn some times.
func (o options) shape(connections int, body load.Body) shape {
	d := max(o.table.measure, time.Duration(connections)*300*time.Microsecond)
	return shape{connections: connections, warmUp: o.table.warmUp, measure: d, body: body, count: int(maxRate * d.Seconds())}
}

// growConnections: throughput with the number of connections, all of them busy.
func (b *bench) growConnections(ctx context.Context, o options, body load.Body) ([]growth, error) {
	g := &growth{Key: "connections", Title: "Throughput with the number of busy connections", X: "connections", Y: yRate}
	xs := upTo(o.bounds.connections, 1, 4, 16, 64, 256, 1024, 4096)
	limit := proc.MaxFiles() - 200 // what else a process has open
	for _, x := range xs {
		if x > limit {
			g.note("%d connections: left out, since a process may have %d files open here (ulimit -n).", x, limit+200)
		}
	}
	xs = slices.DeleteFunc(xs, func(x int) bool { return x > limit })
	// The defaults refuse more than 1,000 at once (429) and bound the connections, which is not the question here.
	b.bridgeEnv = []string{"TREBLE_BRIDGE_INGRESS_MAX_IN_FLIGHT=20000", "TREBLE_BRIDGE_INGRESS_MAX_CONNECTIONS=20000",
		"TREBLE_BRIDGE_INGRESS_MAX_CONNECTIONS_PER_ADDRESS=0"}
	defer func() { b.bridgeEnv = nil }()
	err := b.growShapes(ctx, g, o, xs, func(x int) (shape, error) { return o.shape(x, body), nil }, func(c cell) float64 { return c.Rate })
	return []growth{g.finish()}, err
}

// growSources: cost with the number of sources, each with a path and a secret
// of its own; the last one is used.
func (b *bench) growSources(ctx context.Context, o options, body load.Body) ([]growth, error) {
	g := &growth{Key: "sources", Title: "CPU with the number of sources", X: "sources", Y: yCPU}
	xs := upTo(o.bounds.sources, 1, 10, 100)
	defer func() { b.bridgeEnv = nil }()
	for round := range o.growthRounds {
		for _, x := range xs {
			if err := b.sources(x); err != nil {
				return nil, err
			}
			began := time.Now()
			r, err := b.startOne(ctx, "journal")
			if err != nil {
				return nil, err
			}
			started := time.Since(began)
			r.path, r.token = sourcePath(x), sourceToken(x)
			cells, err := b.calmTurns(ctx, []*running{r}, o.shape(growthConnections, body), round, 0)
			r.kill()
			if err != nil {
				return nil, err
			}
			c := cells[0]
			if err := c.err(); err != nil {
				return nil, err
			}
			if c.Answered == 0 {
				return nil, fmt.Errorf("%d sources: %s", x, c.FirstFail)
			}
			beside := c.beside()
			beside["start s, with its NATS"] = started.Seconds()
			g.add("journal", x, c.CPU, beside)
		}
	}
	return []growth{g.finish()}, nil
}

func sourcePath(i int) string  { return fmt.Sprintf("/sources/%d", i) }
func sourceToken(i int) string { return fmt.Sprintf("%s-%d", token, i) }

// sources writes a configuration with n sources for the bridges that start next.
func (b *bench) sources(n int) error {
	var y strings.Builder
	y.WriteString("sources:\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&y, "  - name: s-%d\n    paths: [%s]\n    auth: {bearer: [%s]}\n", i, sourcePath(i), sourceToken(i))
	}
	file := filepath.Join(b.dir, fmt.Sprintf("sources-%d.yaml", n))
	b.bridgeEnv = []string{"TREBLE_BRIDGE_CONFIG=" + file}
	return os.WriteFile(file, []byte(y.String()), 0o600)
}
