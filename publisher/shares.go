package publisher

import (
	"fmt"
	"sync"

	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// shares divides a place that is bounded in bytes among sources. What each put there is counted since
// the start, and scaled down by what is still there of all of it: what leaves, leaves in the
// order in which it came.
type shares struct {
	limit int64
	left  func(total usage) float64 // which part of what was put there is left

	mu   sync.Mutex
	used map[string]usage
}

type usage struct{ events, bytes float64 }

// take counts what a source is about to put there. It returns an error, which wraps
// delivery.ErrUnavailable, if that would be more than its share of 1. A source that may have all is
// not counted.
func (s *shares) take(source string, share float64, events int, bytes int64) error {
	if s == nil || share <= 0 || share >= 1 {
		return nil
	}
	most := share * float64(s.limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[source].bytes+float64(bytes) > most {
		s.scale()
	}
	u := s.used[source]
	if u.bytes+float64(bytes) > most {
		return fmt.Errorf("the source %s has its share, %.0f of %d bytes: %w", source, most, s.limit, delivery.ErrUnavailable)
	}
	if s.used == nil {
		s.used = map[string]usage{}
	}
	s.used[source] = usage{u.events + float64(events), u.bytes + float64(bytes)}
	return nil
}

// scale leaves of every count what is left of all.
func (s *shares) scale() {
	var total usage
	for _, u := range s.used {
		total.events += u.events
		total.bytes += u.bytes
	}
	if total.bytes == 0 {
		return
	}
	left := min(max(s.left(total), 0), 1)
	for source, u := range s.used {
		s.used[source] = usage{u.events * left, u.bytes * left}
	}
}
