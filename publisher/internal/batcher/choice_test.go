package batcher

import (
	"testing"
	"time"
)

// TestChoice: both ways are tried, the one in which requests wait less is kept, trials of the other take a small part
// of the time, and it is found out when the other becomes better.
func TestChoice(t *testing.T) {
	for name, wait := range map[string][2]time.Duration{
		"batches are slow": {inBatch: 10 * time.Millisecond, sideBySide: time.Millisecond},
		"batches are fast": {inBatch: 2 * time.Millisecond, sideBySide: 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			const senders = 16
			var c choice
			var spent [2]time.Duration
			now := time.Now()
			run := func(d time.Duration) time.Duration {
				began := now
				for now.Sub(began) < d {
					w, came := c.way, now
					now = now.Add(wait[w])
					spent[w] += wait[w]
					if w == inBatch {
						c.batchTook(wait[w], now)
					}
					for range senders {
						c.answered(came, now, true)
					}
				}
				return now.Sub(began)
			}
			better, worse := sideBySide, inBatch
			if wait[inBatch] < wait[sideBySide] {
				better, worse = inBatch, sideBySide
			}
			run(10 * time.Second) // to find out
			spent = [2]time.Duration{}
			all := run(5 * time.Minute)
			if c.way != better {
				t.Errorf("it took %d, want %d", c.way, better)
			}
			if share := spent[worse].Seconds() / all.Seconds(); share == 0 || share > 1.1/trialShare {
				t.Errorf("the worse way had %.4f of the time, want a little, and %.4f at most", share, 1.0/trialShare)
			}
			wait[worse] = wait[better] / 2
			run(5 * time.Minute)
			if spent = [2]time.Duration{}; run(time.Minute) > 0 && spent[worse] < spent[better] {
				t.Errorf("it stays with %d though %d has become better", better, worse)
			}
		})
	}
}

// TestChoiceOfFailures: a way that fails fast is not taken for a fast one.
func TestChoiceOfFailures(t *testing.T) {
	var c choice
	now := time.Now()
	for range 100 * measured {
		came := now
		if c.way == inBatch {
			now = now.Add(time.Microsecond)
			c.answered(came, now, false)
			continue
		}
		now = now.Add(time.Millisecond)
		c.answered(came, now, true)
	}
	if c.way != sideBySide || c.pause == 0 {
		t.Errorf("way %d, pause %v; want side by side, and that the other was tried", c.way, c.pause)
	}
}
