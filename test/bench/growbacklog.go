package main

import (
	"context"
	"fmt"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// growBacklog: what accepting, and a start, cost while events wait for a NATS
// that is away.
func (b *bench) growBacklog(ctx context.Context, o options, body load.Body) ([]growth, error) {
	accept := &growth{Key: "backlog", Title: "Accepting with a backlog, NATS away", X: "events that wait", Y: yRate}
	start := &growth{Key: "backlog-start", Title: "A start with a backlog, NATS away", X: "events that wait", Y: "seconds until ready"}
	nodes, err := b.startNodes(ctx, "backlog-nats", 1)
	if err != nil {
		return nil, err
	}
	env := "TREBLE_BRIDGE_NATS_URL=" + nodes.url()
	p, err := b.startBridge(ctx, "backlog", "", true, env)
	if err != nil {
		return nil, err
	}
	defer func() { p.Kill() }()
	if err := nodes.stop(); err != nil {
		return nil, err
	}
	floor, err := b.startOne(ctx, floorName)
	if err != nil {
		return nil, err
	}
	defer floor.kill()
	waiting := 0
	for _, x := range upTo(o.bounds.backlog, 0, 1000, 10_000, 100_000) {
		if _, err := b.fill(ctx, p.addrs.Ingress, body, waiting, x-waiting); err != nil {
			return nil, err
		}
		waiting = max(waiting, x)
		for round := range o.growthRounds {
			p.Kill()
			began := time.Now()
			again, err := b.startBridge(ctx, "backlog", p.dataDir, true, env)
			if err != nil {
				return nil, err
			}
			p = again
			start.add("journal, after kill -9", x, time.Since(began).Seconds(), map[string]float64{"peak MB": float64(p.PeakMemory()) / (1 << 20)})
			r := &running{contestant: contestant{name: "journal"}, addr: p.addrs.Ingress, path: "/webhook", token: token, process: p.Process, next: int64(waiting)}
			cells, err := b.calmTurns(ctx, []*running{floor, r}, o.shape(growthConnections, body), round, round)
			if err != nil {
				return nil, err
			}
			for _, c := range cells {
				accept.add(c.Contestant, x, c.Rate, c.beside())
			}
			waiting = int(r.next)
		}
	}
	return []growth{accept.finish(), start.finish()}, nil
}

// fill posts n events, numbered from first, wants each answered 2xx, and returns their outcomes.
func (b *bench) fill(ctx context.Context, addr string, body load.Body, first, n int) ([]load.Outcome, error) {
	if n <= 0 {
		return nil, nil
	}
	client, err := load.Dial(load.Target{Addr: addr, Path: "/webhook", Token: token, Body: body}, min(growthConnections, n), int64(first))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	res, err := client.Closed(ctx, n, time.Hour)
	if err != nil {
		return nil, err
	}
	if res.Answered != n {
		return nil, fmt.Errorf("%d of %d events were answered 200: %s", res.Answered, n, res.FirstFail)
	}
	return res.Outcomes, nil
}
