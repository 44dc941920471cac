package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
)

// cell is the result of a contestant under one load in one round.
type cell struct {
	Contestant  string  `json:"contestant"`
	Connections int     `json:"connections"`
	Body        int     `json:"body"`
	Round       int     `json:"round"`
	Rate        float64 `json:"rate"`        // answered 2xx a second, within the time
	StoredRate  float64 `json:"stored_rate"` // the same events a second, until all were in the stream
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	P999        float64 `json:"p999_us"`
	CPU         float64 `json:"cpu_ms"`      // of the contestant, per 1,000 events, until all were in the stream
	NATSCPU     float64 `json:"nats_cpu_ms"` // of its nats-server
	Memory      float64 `json:"memory_mb"`   // peak of the contestant
	Others      float64 `json:"others"`      // share of the processors that went to nobody of ours, while loaded
	FirstFail   string  `json:"first_fail,omitempty"`
	counts
}

// counts are the requests by their answers, and what the stream had of them.
type counts struct {
	Answered int `json:"answered"`
	Refused  int `json:"refused"`
	Unknown  int `json:"unknown"`
	account
}

func (c *counts) add(o counts) {
	c.Answered += o.Answered
	c.Refused += o.Refused
	c.Unknown += o.Unknown
	c.account.add(o.account)
}

// shape is a closed load.
type shape struct {
	connections int
	warmUp      time.Duration
	measure     time.Duration
	count       int // at most so many events
	body        load.Body
}

func micro(d time.Duration) float64 { return float64(d.Microseconds()) }

func perThousand(d time.Duration, events int) float64 {
	return d.Seconds() * 1000 / (float64(max(1, events)) / 1000)
}

func (r *running) natsCPU() time.Duration {
	if r.nats == nil {
		return 0
	}
	return r.nats.CPU()
}

// note keeps the outcomes of a run until they are checked.
func (r *running) note(res *load.Result) {
	r.outcomes = append(r.outcomes, res.Outcomes...)
	r.next = res.First + int64(len(res.Outcomes))
}

// awaitStored waits until the stream has as many messages as were answered 2xx
// and not checked yet.
func (r *running) awaitStored(ctx context.Context) error {
	if r.stream == nil {
		return nil
	}
	answered := 0
	for _, o := range r.outcomes {
		if o == load.Answered {
			answered++
		}
	}
	if slices.Contains(r.outcomes, load.Unknown) {
		time.Sleep(time.Second) // what was not answered may come too, and must not be counted for what was
	}
	return r.stream.await(ctx, answered)
}

// checkEqual is check that takes a difference for an error.
func (r *running) checkEqual(ctx context.Context) error {
	t, err := r.check(ctx)
	if err == nil && t.wrong() {
		err = fmt.Errorf("%s: %w: %+v", r.contestant.name, errUnequal, t)
	}
	return err
}

// check holds the stream against all that was noted since the last check.
func (r *running) check(ctx context.Context) (account, error) {
	defer func() { r.unchecked, r.outcomes = r.next, nil }()
	if r.stream == nil {
		return account{}, nil
	}
	return r.stream.check(ctx, r.unchecked, r.outcomes)
}
