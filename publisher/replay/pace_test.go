package replay

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(rate float64, pause time.Duration, events int) time.Duration {
			p := newPace(rate)
			if pause > 0 {
				p.Reserve()
				time.Sleep(pause)
			}
			began := time.Now()
			for range events {
				if err := client.Sleep(t.Context(), p.Reserve().Delay()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		for _, c := range []struct {
			rate     float64
			pause    time.Duration
			events   int
			min, max time.Duration
		}{
			{10, 0, 101, 10 * time.Second, 10 * time.Second},
			{2500, 0, 2501, time.Second, time.Second},
			{0.5, 0, 3, 4 * time.Second, 4 * time.Second},
			{0, 0, 1000, 0, 0},
			{10, time.Hour, 11, time.Second, time.Second}, // a pause is not made up for
			{2500, time.Hour, 2501, 900 * time.Millisecond, time.Second},
		} {
			if got := took(c.rate, c.pause, c.events).Round(time.Microsecond); got < c.min || got > c.max {
				t.Errorf("%d at %v a second after a pause of %s: took %s, want %s to %s", c.events, c.rate, c.pause, got, c.min, c.max)
			}
		}
	})
}
