package batcher

import (
	"testing"
	"time"
)

// TestChoice: both ways are tried, the better one is kept, and trials of the other take a small part of the time.
func TestChoice(t *testing.T) {
	for name, cost := range map[string][2]time.Duration{
		"batches are dear":  {inBatch: time.Millisecond, sideBySide: 50 * time.Microsecond},
		"batches are cheap": {inBatch: 20 * time.Microsecond, sideBySide: 400 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			var c choice
			var spent [2]time.Duration
			began := time.Now()
			now := began
			publish := func() {
				w := sideBySide
				if c.batch(now) {
					w = inBatch
				}
				took := 16 * cost[w]
				now = now.Add(took)
				spent[w] += took
				c.took(w, 16, took, now)
			}
			for now.Sub(began) < 20*time.Second {
				publish()
			}
			worse := inBatch
			if cost[sideBySide] > cost[inBatch] {
				worse = sideBySide
			}
			if share := spent[worse].Seconds() / now.Sub(began).Seconds(); share == 0 || share > 1.2/trialShare {
				t.Errorf("the worse way had %.4f of the time, want a little, and %.4f at most", share, 1.0/trialShare)
			}
			cost[worse] = 1 // it becomes better, and that is found out
			for range 100_000 {
				publish()
			}
			if got := c.better(); got != worse {
				t.Errorf("it stays with %d though %d has become better", got, worse)
			}
		})
	}
}
