package outbox

import (
	"fmt"
)

// violation is a broken promise, and the schedule that broke it.
type violation struct {
	seed     uint64
	what     string
	schedule schedule
	trace    string
}

func (v *violation) String() string {
	return fmt.Sprintf("seed %d: %s\nschedule: %s\n%s", v.seed, v.what, v.schedule, v.trace)
}

// play runs a schedule, makes all well and judges what came of it.
func play(s schedule, o simOptions) *world {
	w := newWorld(o)
	for _, a := range s {
		w.perform(a)
		if w.truth.failed() {
			return w
		}
	}
	w.mend()
	w.truth.judge()
	return w
}

// simulate plays a schedule and returns the first violation; nil if there is none.
func simulate(s schedule, o simOptions) *violation {
	w := play(s, o)
	if !w.truth.failed() {
		return nil
	}
	return &violation{what: w.truth.violation, schedule: s, trace: w.trace.String()}
}

// simLength is that of a random schedule.
const simLength = 60

// simulateSeed runs the random schedule of a seed, every other one with atomic batches. What
// fails is shrunk.
func simulateSeed(seed uint64, o simOptions) *violation {
	o.atomic = seed%2 == 1
	fails := func(s schedule) *violation { return simulate(s, o) }
	v := fails(randomSchedule(seed, simLength))
	if v == nil {
		return nil
	}
	v = shrink(v, fails)
	v.seed = seed
	return v
}

// shrink drops actions while the schedule still fails.
func shrink(v *violation, fails func(schedule) *violation) *violation {
	for size := len(v.schedule) / 2; size > 0; size /= 2 {
		for again := true; again; {
			again = false
			for at := 0; at+size <= len(v.schedule); {
				shorter := append(append(schedule{}, v.schedule[:at]...), v.schedule[at+size:]...)
				if w := fails(shorter); w != nil {
					v, again = w, size == 1
					continue
				}
				at += size
			}
		}
	}
	return v
}
