package serve

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestMemoryLimitFollows: the limit is low as long as little is in use, and never in the way of what must be
// kept.
func TestMemoryLimitFollows(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	const host = 8 << 30
	for _, tt := range []struct {
		limit memoryLimit
		live  uint64
		want  int64
	}{
		{memoryLimit{most: host, follows: true}, 20 << 20, usualMemory},
		{memoryLimit{most: host, follows: true}, usualLive, usualMemory},
		{memoryLimit{most: host, follows: true}, usualLive + 1, host},
	} {
		tt.limit.follow(tt.live)
		if got := debug.SetMemoryLimit(-1); got != tt.want {
			t.Errorf("%+v with %d: got %d, in effect %d; want %d", tt.limit, tt.live, got, debug.SetMemoryLimit(-1), tt.want)
		}
	}
	debug.SetMemoryLimit(math.MaxInt64)
	memoryLimit{most: host}.follow(20 << 20) // GOMEMLIMIT has it
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("got %d, want what GOMEMLIMIT said", got)
	}
	runtime.GC() // there is nothing in use before the first one
	if live := liveMemory(); live == 0 || live > host {
		t.Errorf("in use: got %d", live)
	}
}
