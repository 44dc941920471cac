package main

import (
	"context"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// session is a contestant under one load, which comes in slices: between them
// it is the turn of the others.
type session struct {
	bench   *bench
	running *running
	shape   shape
	client  *load.Client

	window, stored time.Duration // sums: under load, and until the stream had all
	cpu, natsCPU   time.Duration
	inWindow       int
	others         float64 // weighted by the window
	counts         counts
	firstFail      string
	latency        *hdrhistogram.Histogram
}

// begin connects to a contestant and warms it up.
func (r *running) begin(ctx context.Context, b *bench, s shape) (*session, error) {
	client, err := load.Dial(r.target(s.body), s.connections, r.next)
	if err != nil {
		return nil, err
	}
	ses := &session{bench: b, running: r, shape: s, client: client}
	if s.warmUp > 0 {
		warm, err := client.Closed(ctx, s.count, s.warmUp)
		if err == nil {
			r.note(warm)
			err = r.awaitStored(ctx)
		}
		if err != nil {
			client.Close()
			return nil, err
		}
	}
	r.process.ResetPeak()
	return ses, nil
}

// slice loads the contestant for a while and waits until its stream has what it
// answered, so that nothing of it is left to do in the turns of the others.
func (s *session) slice(ctx context.Context, d time.Duration) error {
	r := s.running
	cpu, natsCPU, others, began := r.process.CPU(), r.natsCPU(), s.bench.watchOthers(), time.Now()
	res, err := s.client.Closed(ctx, s.shape.count, d)
	if err != nil {
		return err
	}
	s.others += others() * d.Seconds()
	r.note(res)
	if err := r.awaitStored(ctx); err != nil {
		return err
	}
	s.stored += time.Since(began)
	s.window += min(res.Window, res.Took) // shorter if the count was reached
	s.cpu += r.process.CPU() - cpu
	s.natsCPU += r.natsCPU() - natsCPU
	s.inWindow += res.InWindow
	s.counts.add(counts{Answered: res.Answered, Refused: res.Refused, Unknown: res.Unknown})
	if s.firstFail == "" {
		s.firstFail = res.FirstFail
	}
	if s.latency == nil {
		s.latency = res.Latency
	} else {
		s.latency.Merge(res.Latency)
	}
	return nil
}

// finish compares the stream with the answers.
func (s *session) finish(ctx context.Context, round int) (cell, error) {
	quantile := func(q float64) float64 { return float64(s.latency.ValueAtPercentile(q)) }
	c := cell{
		Contestant: s.running.contestant.name, Connections: s.shape.connections, Body: s.shape.body.Len(), Round: round,
		Rate: float64(s.inWindow) / s.window.Seconds(), StoredRate: float64(s.counts.Answered) / s.stored.Seconds(),
		P50: quantile(50), P99: quantile(99), P999: quantile(99.9),
		CPU: perThousand(s.cpu, s.counts.Answered), NATSCPU: perThousand(s.natsCPU, s.counts.Answered),
		Memory: float64(s.running.process.PeakMemory()) / (1 << 20),
		Others: s.others / s.shape.measure.Seconds(),
		counts: s.counts, FirstFail: s.firstFail,
	}
	var err error
	c.account, err = s.running.check(ctx)
	return c, err
}

// slicesPerTurn is in how many slices a measurement comes: what disturbs the
// machine for a moment shall hit all contestants and not one.
const slicesPerTurn = 4

// fewConnections bounds the connections that are open to all contestants at once; beyond that
// one contestant is measured after the other.
const fewConnections = 1000

// turns puts a load on some contestants, in slices by turns, and holds the
// stream of each against its answers. first says whose turn is the first.
func (b *bench) turns(ctx context.Context, all []*running, s shape, round, first int) ([]cell, error) {
	var sessions []*session
	defer func() {
		for _, ses := range sessions {
			ses.client.Close()
		}
	}()
	for _, r := range all {
		ses, err := r.begin(ctx, b, s)
		if err != nil {
			return nil, fmt.Errorf("%s, %d connections: %w", r.contestant.name, s.connections, err)
		}
		sessions = append(sessions, ses)
	}
	n := slicesPerTurn
	if s.connections > fewConnections {
		n = 1
	}
	for i := range n {
		for j := range sessions {
			ses := sessions[(first+i+j)%len(sessions)]
			if err := ses.slice(ctx, s.measure/time.Duration(n)); err != nil {
				return nil, fmt.Errorf("%s, %d connections: %w", ses.running.contestant.name, s.connections, err)
			}
		}
	}
	var cells []cell
	for _, ses := range sessions {
		c, err := ses.finish(ctx, round)
		if err != nil {
			return nil, fmt.Errorf("%s, %d connections: %w", c.Contestant, s.connections, err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}
