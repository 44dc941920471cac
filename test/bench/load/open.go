package load

import (
	"context"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/pace"
)

// Open runs an open loop: events arrive at a constant rate, whether the last
// ones are answered or not. A latency counts from the moment at which the event
// was to be sent. So the events that had to wait while a server stood still, or
// for a free connection, count as what a sender would have seen; a closed loop
// sends none meanwhile and does not see them ("coordinated omission").
func (c *Client) Open(ctx context.Context, rate float64, d time.Duration) (*Result, error) {
	count := int(rate * d.Seconds())
	due := make(chan int, count) // whoever tells the time never waits
	at := func(began time.Time, i int) time.Time {
		return began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
	}
	return c.run(ctx, count, d, func(w worker) error {
		if w.index == 0 {
			w.taken.Store(int64(count))
			go tell(w, due, at)
		}
		for i := range due {
			if err := w.post(i, at(w.began, i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// tell puts the index of each event into a channel when it is due.
func tell(w worker, due chan<- int, at func(time.Time, int) time.Time) {
	defer close(due)
	for i := range w.count {
		pace.Until(at(w.began, i))
		if w.ctx.Err() != nil {
			return
		}
		due <- i
	}
}
