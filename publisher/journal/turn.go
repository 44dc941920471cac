package journal

import "time"

// wake has the committer look for work. A synchronous journal does the work
// before it returns, or leaves it to the call that is at it.
func (j *Journal) wake() {
	if j.o.Synchronous {
		j.work()
		return
	}
	select {
	case j.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// work does rounds until there is nothing to do. Only a synchronous journal uses
// it. What the owner's callbacks ask for meanwhile is done by the next round.
func (j *Journal) work() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = true
	if j.working || j.ended {
		return
	}
	j.working = true
	whole := false
	defer func() {
		j.working = false
		if !whole { // the file system panicked, to end this process
			j.closed, j.ended = true, true
		}
	}()
	for j.asked {
		j.asked = false
		j.unlocked(func() {
			for j.round() {
			}
		})
	}
	if j.closed {
		j.unlocked(j.seal)
	}
	whole = true
}

// unlocked runs fn without mu, which the caller holds, and holds again also if
// fn panics.
func (j *Journal) unlocked(fn func()) {
	j.mu.Unlock()
	defer j.mu.Lock()
	fn()
}

// Tick does what is due by the clock. Only a synchronous journal needs it; another
// has a timer.
func (j *Journal) Tick() { j.wake() }

// passed reports whether d has passed since a moment. A clock that was set back counts
// as passed: nothing waits for it to come round again.
func (j *Journal) passed(since time.Time, d time.Duration) bool {
	e := j.o.Now().Sub(since)
	return since.IsZero() || e >= d || e < 0
}

// schedule has the committer woken when something is due by the clock. The caller
// holds mu.
func (j *Journal) schedule() {
	if j.o.Synchronous || j.ended || j.stats.taken {
		return
	}
	var wait time.Duration // 0: for nothing
	within := func(d time.Duration) {
		if d <= 0 {
			d = j.o.markDelay // it was due, and did not work
		}
		if wait == 0 || d < wait {
			wait = d
		}
	}
	now := j.o.Now()
	if len(j.marks) > 0 {
		within(j.o.markDelay - now.Sub(j.markSince))
	}
	if j.o.SegmentAge > 0 && !j.entrySince.IsZero() {
		within(j.o.SegmentAge - now.Sub(j.entrySince))
	}
	if len(j.garbage) > 0 {
		within(j.o.markDelay)
	}
	switch {
	case wait > 0 && j.timer == nil:
		j.timer = time.AfterFunc(wait, j.wake)
	case wait > 0:
		j.timer.Reset(wait)
	case j.timer != nil:
		j.timer.Stop()
	}
}
