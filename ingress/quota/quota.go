// Package quota limits the events and bytes that a source may deliver, and its share of the
// journal.
package quota

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// Limits are the bounds of one source.
type Limits struct {
	EventsPerSecond int        `mapstructure:"events_per_second" doc:"events that the source may send a second, on average; more are answered 429; 0: no limit"`
	BytesPerSecond  value.Size `mapstructure:"bytes_per_second" doc:"bytes of bodies that the source may send a second, on average; more are answered 429; 0: no limit"`
	Share           int        `mapstructure:"share" doc:"percent of the journal, of that of refused bodies, and of set-aside that the source may fill; beyond it its events are answered 503, and its refused bodies are not kept; 0: 75 if there are several sources, else 100"`
}

// usualShare is the share of a source that is not alone, in percent.
const usualShare = 75

// Validate returns every problem of the limits, joined, each with its key below key.
func (l Limits) Validate(key string) error {
	var p value.Problems
	if l.EventsPerSecond < 0 {
		p.Add(key+".events_per_second", "is %d: use a number above zero, or 0 for no limit", l.EventsPerSecond)
	}
	if l.BytesPerSecond < 0 {
		p.Add(key+".bytes_per_second", "is %s: use a size above zero, or 0 for no limit", l.BytesPerSecond)
	}
	if l.Share < 0 || l.Share > 100 {
		p.Add(key+".share", "is %d: use a percentage up to 100, or 0 for the usual one", l.Share)
	}
	return p.Err()
}

// Quota counts what a source sends. Its methods may be called at the same time.
type Quota struct {
	limits Limits
	burst  [2]int64
	events *rate.Limiter // nil: no limit
	bytes  *rate.Limiter
	share  float64
}

// New returns the quota of a source, of several if there are others. A request has at most so many
// events and bytes: one that comes alone is never refused.
func New(l Limits, several bool, maxEvents int, maxBody value.Size) *Quota {
	q := &Quota{limits: l, burst: [2]int64{int64(maxEvents), int64(maxBody)}, share: 1}
	q.events, q.bytes = limiter(int64(l.EventsPerSecond), int64(maxEvents)), limiter(int64(l.BytesPerSecond), int64(maxBody))
	switch {
	case l.Share > 0:
		q.share = float64(l.Share) / 100
	case several:
		q.share = usualShare / 100.
	}
	return q
}

// limiter has a burst of one second, and never less than one request can have.
func limiter(perSecond, request int64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(min(max(perSecond, request), math.MaxInt32)))
}

// GoOn takes over what before has counted, if its limits are the same.
func (q *Quota) GoOn(before *Quota) {
	if q.limits == before.limits && q.burst == before.burst {
		q.events, q.bytes = before.events, before.bytes
	}
}

// Share is the part, of 1, that the source may fill of what is kept for all.
func (q *Quota) Share() float64 { return q.share }

// Events reports whether the source may send so many events now, and else how long it is to wait.
func (q *Quota) Events(n int, now time.Time) (wait time.Duration, ok bool) {
	return take(q.events, n, now)
}

// Bytes is the same for the bytes of a body.
func (q *Quota) Bytes(n int, now time.Time) (wait time.Duration, ok bool) {
	return take(q.bytes, n, now)
}

func take(l *rate.Limiter, n int, now time.Time) (wait time.Duration, ok bool) {
	if l == nil || n == 0 {
		return 0, true
	}
	r := l.ReserveN(now, n)
	if wait = r.DelayFrom(now); r.OK() && wait == 0 {
		return 0, true
	}
	r.CancelAt(now)
	return wait, false
}
