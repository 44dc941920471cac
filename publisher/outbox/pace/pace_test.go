package pace

import (
	"testing"
	"time"
)

// TestPace: over many groups, the ways that are chosen take little more than the best one, whatever
// the server is like, and the best Way is found again after a stall.
func TestPace(t *testing.T) {
	const us = time.Microsecond
	for _, tt := range []struct {
		name                 string
		single, fast, atomic time.Duration // of a message, of a message, of a batch
		trip                 time.Duration // the way there and back
		group                int
		noFast, noAtomic     bool
		best                 Way
		most                 float64 // times that of the best Way
	}{
		{name: "default", single: 100 * us, fast: 10 * us, atomic: 10_000 * us, trip: 100 * us, group: 500, best: InFast, most: 1.01},
		{name: "default-small-groups", single: 100 * us, fast: 10 * us, atomic: 10_000 * us, trip: 100 * us, group: 5, best: InFast, most: 1.01},
		{name: "flushes-each", single: 1000 * us, fast: 1000 * us, atomic: 15_000 * us, trip: 100 * us, group: 500, best: InAtomic, most: 1.1},
		{name: "flushes-each-fast-disk", single: 250 * us, fast: 250 * us, atomic: 10_000 * us, trip: 100 * us, group: 500, best: InAtomic, most: 1.1},
		{name: "slow-link", single: 100 * us, fast: 10 * us, atomic: 10_000 * us, trip: 5000 * us, group: 500, best: InFast, most: 1.01},
		{name: "slow-link-flushes-each", single: 1000 * us, fast: 1000 * us, atomic: 15_000 * us, trip: 5000 * us, group: 500, best: InAtomic, most: 1.1},
		{name: "atomic-only", single: 100 * us, atomic: 10_000 * us, trip: 100 * us, group: 500, noFast: true, best: InAtomic, most: 1.01},
		{name: "atomic-only-small-groups", single: 100 * us, atomic: 10_000 * us, trip: 100 * us, group: 5, noFast: true, best: OneByOne, most: 1.5},
		{name: "fast-only", single: 1000 * us, fast: 1000 * us, trip: 100 * us, group: 500, noAtomic: true, best: InFast, most: 1.01},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cost := func(w Way, n int) time.Duration {
				switch w {
				case OneByOne:
					return tt.trip + tt.single
				case InFast:
					return tt.trip + time.Duration(n)*tt.fast
				}
				return tt.trip + tt.atomic + time.Duration(n)*10*us
			}
			var p Pace
			var took time.Duration
			sent := 0
			publish := func(groups int, stall time.Duration) (last Way) {
				for range groups {
					for left := tt.group; left > 0; {
						w, n := p.Choose(left, !tt.noFast, !tt.noAtomic)
						d := cost(w, n) + stall
						took += d
						p.Took(w, n, d)
						left, sent, last = left-n, sent+n, w
					}
				}
				return last
			}
			publish(1, 0)
			publish(1, 500_000*us) // the server stalls
			took, sent = 0, 0
			publish(3000, 0)
			best := time.Duration(sent/tt.group) * cost(tt.best, tt.group)
			if tt.best == OneByOne {
				best = time.Duration(sent) * cost(OneByOne, 1)
			}
			if times := float64(took) / float64(best); times > tt.most {
				t.Errorf("it takes %.2f times as long as the best Way, want %.2f at most", times, tt.most)
			}
		})
	}
}

// TestPaceOfAServerThatIsTooSlow: a first try is small, and if not even that is acknowledged in time,
// atomic batches are sent.
func TestPaceOfAServerThatIsTooSlow(t *testing.T) {
	var p Pace
	if w, _ := p.Choose(500, true, true); w != OneByOne {
		t.Errorf("first %v, want a message alone", w)
	}
	p.Took(OneByOne, 1, 100*time.Millisecond)
	w, n := p.Choose(500, true, true)
	if w != InFast || n != tried {
		t.Errorf("next %v of %d, want a fast-ingest batch of %d", w, n, tried)
	}
	p.Waited(w, n, 5*time.Second)
	if w, n := p.Choose(500, true, true); w != InAtomic || n != 500 {
		t.Errorf("then %v of %d, want an atomic batch", w, n)
	}
	// A lost connection says nothing of the time.
	p = Pace{}
	p.Took(OneByOne, 1, time.Millisecond)
	p.Took(InFast, 500, 5*time.Millisecond)
	p.Waited(InFast, 500, time.Millisecond)
	if w, n := p.Choose(500, true, true); w != InFast || n != 500 {
		t.Errorf("%v of %d, want a fast-ingest batch", w, n)
	}
}
