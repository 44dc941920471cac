package publisher

import (
	"errors"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// TestShares: a source fills no more than its share, and what leaves makes room for it again.
func TestShares(t *testing.T) {
	left := 1.0
	s := &shares{limit: 1000, left: func(usage) float64 { return left }}
	take := func(source string, share float64, bytes int64) bool {
		t.Helper()
		err := s.take(source, share, 1, bytes)
		if err != nil && !errors.Is(err, delivery.ErrUnavailable) {
			t.Errorf("got %v, want delivery.ErrUnavailable", err)
		}
		return err == nil
	}
	for i := range 7 {
		if !take("a", .75, 100) {
			t.Fatalf("refused after %d bytes of 750", i*100)
		}
	}
	if take("a", .75, 100) {
		t.Error("a got 800 bytes of 750")
	}
	if !take("b", .75, 300) {
		t.Error("b got nothing of what a must leave")
	}
	if !take("a", 1, 1_000_000) {
		t.Error("a source that may have all is bounded by the place itself")
	}
	left = .5 // half of all that came has left
	if !take("a", .75, 100) {
		t.Error("there is room, and a got none")
	}
	if got := s.used["a"].bytes; got != 450 {
		t.Errorf("a: got %v bytes, want 450", got)
	}
	left = 0
	if !take("a", .75, 700) || take("a", .75, 800) {
		t.Error("an empty place must take 700 bytes, and never 800")
	}
	if (*shares)(nil).take("a", .1, 1, 1<<40) != nil {
		t.Error("where nothing is bounded, nothing is refused")
	}
}
