package broker

import "time"

// Pace remembers how long the last publishes took. A stream without replicas keeps a batch in
// a file store of its own, which the server makes and removes for each: that takes about 10 ms,
// where a message alone takes a fraction of one. It is for one goroutine.
type Pace struct{ single, batch time.Duration }

// The most that the first publish of each kind counts for. It may have waited for much else.
const (
	firstSingle = 2 * time.Millisecond
	firstBatch  = 20 * time.Millisecond
)

// Took notes how long it took until n messages that were published together were
// acknowledged. One that took much longer than the one before says little.
func (p *Pace) Took(n int, d time.Duration) {
	if n == 1 {
		p.single = eased(p.single, d, firstSingle)
	} else {
		p.batch = eased(p.batch, d, firstBatch)
	}
}

func eased(before, d, first time.Duration) time.Duration {
	if before == 0 {
		return min(d, first)
	}
	return min(d, 2*before)
}

// WorthBatch reports whether n messages are stored sooner as a batch than one after the other. If
// not, one is to be sent alone before it is asked again. What is not tried any more is
// taken to get faster with the time that is spent without it, so that it is tried again:
// soon where that costs little.
func (p *Pace) WorthBatch(n int) bool {
	if time.Duration(n)*p.single >= p.batch {
		return true
	}
	p.batch -= p.single / 16
	return false
}
