package replay

import (
	"context"
	"time"
)

// pace lets a number of events a second through.
type pace struct {
	every time.Duration // 0: no limit
	due   time.Time     // of the next one
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// mostBehind is how much a pace makes up for after a pause: what stood still for
// an hour must not come in one burst.
const mostBehind = time.Second

func newPace(rate float64) *pace {
	p := &pace{now: time.Now, sleep: sleep}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait returns when the next event may go.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return nil
	}
	now := p.now()
	if p.due.Before(now.Add(-mostBehind)) {
		p.due = now // also the first time
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(p.every)
	if wait <= 0 {
		return nil
	}
	return p.sleep(ctx, wait)
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
