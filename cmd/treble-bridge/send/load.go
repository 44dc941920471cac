package send

import (
	"context"
	"sync"
	"time"

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

// run calls do count times, at the given rate, by concurrency workers, and
// after each call step, one call at a time. When ctx ends no new call begins;
// those that run are waited for.
func (l load) run(ctx context.Context, do func(context.Context) webhook.Result, step func(webhook.Result)) SummaryJSON {
	tickets := make(chan struct{})
	results := make(chan webhook.Result)
	go l.issue(ctx, tickets)
	var workers sync.WaitGroup
	for range min(l.concurrency, l.count) {
		workers.Go(func() {
			for range tickets {
				// A request that was begun is finished: its event may be
				// stored already. The timeout bounds it.
				results <- do(context.WithoutCancel(ctx))
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	began := time.Now()
	sum := SummaryJSON{Statuses: map[string]int{}}
	for r := range results {
		if r.Status == "" {
			continue
		}
		sum.add(r)
		step(r)
	}
	sum.finish(time.Since(began))
	return sum
}

// issue hands out count tickets at the rate, or fewer if ctx ends.
func (l load) issue(ctx context.Context, tickets chan<- struct{}) {
	defer close(tickets)
	began := time.Now()
	for i := range l.count {
		if l.rate > 0 {
			due := began.Add(time.Duration(float64(i) / l.rate * float64(time.Second)))
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
		}
		select {
		case <-ctx.Done():
			return
		case tickets <- struct{}{}:
		}
	}
}
