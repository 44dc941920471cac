// Package pace decides how messages that wait together are published: it remembers how long each
// way took.
package pace

import "time"

// Way is how messages that wait together are sent.
type Way int

// The ways.
const (
	OneByOne Way = iota
	InAtomic     // as an atomic batch
	InFast       // as a fast-ingest batch
)

// Pace remembers how long the ways took, for a stream without replicas. There an atomic batch is
// countEntry in a file store of its own, which the server makes, flushes and removes for each: 5 to 20 ms,
// whatever is in it. A fast-ingest batch takes about 10 µs for each message; but if the server flushes
// each message (sync_interval: always), it takes one flush for each, and an atomic batch takes one for
// all. Nothing tells the bridge which is the case. With replicas an atomic batch is as fast as a few
// messages, and that is learned too. It is for one goroutine.
// The zero value is ready.
type Pace struct {
	single time.Duration // of one message alone
	fast   time.Duration // of one more message in a fast-ingest batch
	atomic time.Duration // of an atomic batch
	alone  bool          // single is known
	tested bool          // fast is known
	passed int           // atomic batches since a fast-ingest batch was tried
}

const (
	// The most that the first publish of each kind counts for. It may have waited for much else.
	firstSingle = 2 * time.Millisecond
	firstAtomic = 20 * time.Millisecond
	// tryFast is after how many atomic batches a fast-ingest batch is tried again, and tried how
	// many messages of one tell how long it takes, at first too. They cost a server that flushes
	// each a few hundredths of its time.
	tryFast = 64
	tried   = 32
)

// Took notes how long it took until n messages were acknowledged. One that took much longer than
// the one before says little.
func (p *Pace) Took(w Way, n int, d time.Duration) {
	switch {
	case w == InAtomic:
		p.atomic = eased(p.atomic, d, firstAtomic)
	case w == OneByOne:
		p.single, p.alone = eased(p.single, d, firstSingle), true
	case n >= tried:
		// What a message alone takes is the way there and back, for the most part.
		each := max(0, d-p.single) / time.Duration(n)
		p.fast, p.tested = eased(p.fast, each, each), true
	}
}

// Waited notes that n messages were not acknowledged within a time: it takes longer than that.
func (p *Pace) Waited(w Way, n int, d time.Duration) {
	if each := d / time.Duration(n); w == InFast && n >= tried && each > p.fast {
		p.fast, p.tested = each, true
	}
}

func eased(before, d, most time.Duration) time.Duration {
	if before == 0 {
		return min(d, most)
	}
	return min(d, 2*before)
}

// Choose says how n messages that wait are sent, and how many of them now: one way of those that
// the stream allows.
func (p *Pace) Choose(n int, fast, atomic bool) (Way, int) {
	switch {
	case n == 1, !fast && !atomic:
		return OneByOne, 1
	case !atomic:
		return InFast, n
	case fast && !p.alone:
		return OneByOne, 1
	case fast && !p.tested:
		return InFast, min(n, tried) // if each takes a flush, so many are enough
	case fast:
		expected := p.atomic
		if expected == 0 {
			expected = firstAtomic
		}
		if time.Duration(n)*p.fast < 2*expected { // of two that take as long, this one costs the server less
			p.passed = 0
			return InFast, n
		}
		p.passed++
		switch p.passed % tryFast {
		case 0:
			return InFast, min(n, tried)
		case tryFast - 1: // by which that is judged
			return OneByOne, 1
		}
		return InAtomic, n
	case time.Duration(n)*p.single >= p.atomic:
		return InAtomic, n
	}
	// What is not tried any more is taken to get faster with the time that is spent without it, so that
	// it is tried again: soon where that costs little.
	p.atomic -= p.single / 16
	return OneByOne, 1
}
