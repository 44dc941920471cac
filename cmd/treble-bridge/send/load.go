package send

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
)

// load says how many requests are sent, and how fast.
type load struct {
	count       int
	rate        float64 // a second; 0: no limit
	concurrency int
	timeout     time.Duration // of one request
}

func (l load) check() error {
	switch {
	case l.count < 1:
		return cli.Usagef("--count: use a number above 0")
	case l.rate < 0:
		return cli.Usagef("--rate: use a number above 0, or 0 for no limit")
	case l.concurrency < 1 || l.concurrency > 10000:
		return cli.Usagef("--concurrency: use a number from 1 to 10000")
	case l.timeout <= 0:
		return cli.Usagef("--timeout: use a duration above 0, such as 10s")
	}
	return nil
}

// run calls do count times, at the given rate, so many at a time as concurrency says, and
// after each call step, one call at a time. When ctx ends no new call begins;
// those that run are waited for.
func (l load) run(ctx context.Context, do func(context.Context) webhook.Result, step func(webhook.Result)) SummaryJSON {
	limiter := rate.NewLimiter(rate.Inf, 1)
	if l.rate > 0 {
		limiter.SetLimit(rate.Limit(l.rate))
	}
	var calls errgroup.Group
	calls.SetLimit(l.concurrency)
	var mu sync.Mutex // guards sum, and calls step
	sum := SummaryJSON{Statuses: map[string]int{}}
	began := time.Now()
	for range l.count {
		if limiter.Wait(ctx) != nil {
			break
		}
		calls.Go(func() error {
			if ctx.Err() != nil {
				return nil // it ended while others were waited for
			}
			// A request that was begun is finished: its event may be
			// stored already. The timeout bounds it.
			r := do(context.WithoutCancel(ctx))
			mu.Lock()
			defer mu.Unlock()
			if r.Status != "" {
				sum.add(r)
				step(r)
			}
			return nil
		})
	}
	_ = calls.Wait() // a result says what failed
	sum.finish(time.Since(began))
	return sum
}
