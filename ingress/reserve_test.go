package ingress

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
)

// TestReserveGivesBack: a body whose time is over while it waits for the budget of all gives back what it
// took of its source's.
func TestReserveGivesBack(t *testing.T) {
	const size = 1 << 20
	s := &snapshot{config: Config{MaxInFlightBytes: size, MaxElements: 1}, memory: semaphore.NewWeighted(size)}
	src := &source{memory: semaphore.NewWeighted(size), memorySize: size}
	body := bytes.Repeat([]byte("x"), freeWork)
	hold, ok := s.reserve(t.Context(), src, body)
	if !ok || src.memory.TryAcquire(size) {
		t.Fatal("nothing is reserved")
	}
	hold()
	if !s.memory.TryAcquire(size) {
		t.Fatal("what was reserved is not given back")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, ok := s.reserve(ctx, src, body); ok {
			t.Error("more is reserved than there is")
		}
	})
	if !src.memory.TryAcquire(size) {
		t.Error("the source's budget is not given back")
	}
}
