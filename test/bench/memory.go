package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// memoryConnections is the load under which memory is watched.
const memoryConnections = 256

// growMemory: memory at full speed as time goes by. What the stream holds is compared
// with the answers after each step and then removed, for the disk's sake.
func (b *bench) growMemory(ctx context.Context, o options, body load.Body) ([]growth, error) {
	g := &growth{Key: "memory", Title: fmt.Sprintf("Memory at full speed, %d connections", memoryConnections), X: "minutes", Y: "peak MB"}
	r, err := b.startOne(ctx, "journal")
	if err != nil {
		return nil, err
	}
	defer r.kill()
	err = b.watchMemory(ctx, g, r, o.bounds.minutes, body)
	return []growth{g.finish()}, err
}

// watchMemory loads a contestant, minute by minute.
func (b *bench) watchMemory(ctx context.Context, g *growth, r *running, minutes int, body load.Body) error {
	client, err := load.Dial(r.target(body), memoryConnections, r.next)
	if err != nil {
		return err
	}
	defer client.Close()
	for minute := 1; minute <= minutes; minute++ {
		r.process.ResetPeak()
		cpu := r.process.CPU()
		res, err := client.Closed(ctx, maxRate*60, time.Minute)
		if err != nil {
			return err
		}
		if err := r.settle(ctx, res); err != nil {
			return err
		}
		if res.Refused+res.Unknown > 0 {
			return fmt.Errorf("%d refused, %d unknown, the first: %s", res.Refused, res.Unknown, res.FirstFail)
		}
		g.add(r.contestant.name, minute, float64(r.process.PeakMemory())/(1<<20), map[string]float64{
			yRate: float64(res.InWindow) / 60, yCPU: perThousand(r.process.CPU()-cpu, res.Answered),
		})
		if err := r.stream.purge(ctx); err != nil {
			return err
		}
		b.say("memory: %s after %d minutes: %.0f MB, %.0f/s", r.contestant.name, minute, float64(r.process.PeakMemory())/(1<<20), float64(res.InWindow)/60)
	}
	return nil
}

// purge removes the messages that were read.
func (s *stream) purge(ctx context.Context) error {
	st, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return err
	}
	return st.Purge(ctx, jetstream.WithPurgeSequence(s.read+1))
}
