package replay

import (
	"time"

	"golang.org/x/time/rate"
)

// newPace limits the events a second; 0 is no limit. What an event took too long is
// made up for within a tenth of a second's events: what stood still for an hour must not come in
// one burst.
func newPace(perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	burst := max(1, int(perSecond/10))
	l := rate.NewLimiter(rate.Limit(perSecond), burst)
	l.AllowN(time.Now(), burst-1) // a beginning is no pause
	return l
}
