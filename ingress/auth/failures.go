package auth

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// mostAddresses bounds the table of failures: about 200 bytes each.
const mostAddresses = 10_000

// Failures limits how often requests of one address may fail to authenticate. It never
// looks at a request that is let in. IPv6 addresses count by their /64, since a host has all of
// it. It is safe for concurrent use.
type Failures struct {
	perMinute int

	mu        sync.Mutex
	addresses map[netip.Prefix]*list.Element
	recent    list.List // of *failing; the least recent at the end
}

// failing is an address that failed.
type failing struct {
	network netip.Prefix
	limiter *rate.Limiter
}

// NewFailures returns a limit of failures a minute, all of which may come at once. 0 is no limit.
func NewFailures(perMinute int) *Failures {
	return &Failures{perMinute: perMinute, addresses: map[netip.Prefix]*list.Element{}}
}

// Fail counts a failure of an address. If there were too many before, tooMany is true, and after retry
// the next failure is not too many any more. All clients whose address is not known count as one address.
func (f *Failures) Fail(from netip.Addr, now time.Time) (retry time.Duration, tooMany bool) {
	if f.perMinute <= 0 {
		return 0, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	limiter := f.of(networkOf(from))
	r := limiter.ReserveN(now, 1)
	if retry = r.DelayFrom(now); retry == 0 {
		return 0, false
	}
	r.CancelAt(now)
	return retry, true
}

// of returns the limiter of a network. When the table is full, the network that has been quiet
// for the longest time is forgotten.
func (f *Failures) of(network netip.Prefix) *rate.Limiter {
	if e := f.addresses[network]; e != nil {
		f.recent.MoveToFront(e)
		return e.Value.(*failing).limiter
	}
	if len(f.addresses) == mostAddresses {
		last := f.recent.Back()
		delete(f.addresses, last.Value.(*failing).network)
		f.recent.Remove(last)
	}
	limiter := rate.NewLimiter(rate.Limit(float64(f.perMinute)/60), f.perMinute)
	f.addresses[network] = f.recent.PushFront(&failing{network, limiter})
	return limiter
}

// networkOf returns the network that counts as one address: of IPv6 the /64. It is the zero value for an
// address that is not known.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	network, _ := a.Prefix(min(a.BitLen(), 64)) // no error: no address has fewer bits
	return network
}
