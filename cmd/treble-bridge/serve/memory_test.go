package serve

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestMemoryLimit: the limit holds a flood of large bodies down, is never so near to what connections use that garbage is
// collected all the time, and never above what there is.
func TestMemoryLimit(t *testing.T) {
	const mib, host = 1 << 20, 8 << 30
	for _, tt := range []struct {
		name string
		most int64
		use  memoryInUse
		want int64
	}{
		{"nothing-measured", host, memoryInUse{}, 184 * mib},
		{"usual", host, memoryInUse{live: 20 * mib, stacks: 3 * mib, beside: 20 * mib}, 184 * mib},
		{"flood-of-large-bodies", host, memoryInUse{live: 128 * mib, stacks: 1 * mib, beside: 8 * mib}, 184 * mib},
		{"most-of-the-usual", host, memoryInUse{live: 138 * mib, stacks: 1 * mib, beside: 8 * mib}, 184 * mib},
		{"4096-connections", host, memoryInUse{live: 81 * mib, stacks: 29 * mib, beside: 72 * mib}, 296 * mib},
		{"10000-connections", host, memoryInUse{live: 206 * mib, stacks: 71 * mib, beside: 150 * mib}, 760 * mib},
		{"backlog", host, memoryInUse{live: 400 * mib, stacks: 10 * mib, beside: 50 * mib}, 1064 * mib},
		{"container", 300 * mib, memoryInUse{live: 400 * mib, stacks: 10 * mib, beside: 50 * mib}, 300 * mib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (memoryLimit{most: tt.most, follows: true}).limit(tt.use); got != tt.want {
				t.Errorf("got %d MiB, want %d", got/mib, tt.want/mib)
			}
		})
	}
}

// TestMemoryLimitFollows: the limit is set after a collection, until it is stopped; then nothing is left that waits for one.
func TestMemoryLimitFollows(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	m := memoryLimit{most: 8 << 30, follows: true}
	debug.SetMemoryLimit(math.MaxInt64)
	stop := m.start()
	for range 3 { // after each collection, not only the first
		debug.SetMemoryLimit(math.MaxInt64)
		collectUntil(t, "the limit is set", func() bool { return debug.SetMemoryLimit(-1) != math.MaxInt64 })
		if got := debug.SetMemoryLimit(-1); got < usualMemory || got > m.most {
			t.Errorf("got %d", got)
		}
	}
	if u := readMemoryInUse(); u.live <= 0 || u.stacks <= 0 || u.beside < u.stacks || u.live+u.beside > m.most {
		t.Errorf("in use: got %+v", u)
	}
	stop()
	debug.SetMemoryLimit(math.MaxInt64)
	runtime.GC()
	runtime.GC()
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("stopped: got %d", got)
	}

	memoryLimit{most: 8 << 30}.follow(memoryInUse{live: 20 << 20}) // GOMEMLIMIT has it
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("GOMEMLIMIT: got %d", got)
	}
}

// TestCollectionsEnd: what waits for collections is garbage itself when it is stopped.
func TestCollectionsEnd(t *testing.T) {
	gone := make(chan struct{})
	func() {
		c := &collections{ended: make(chan struct{}, 1), stop: make(chan struct{})}
		runtime.AddCleanup(c, func(gone chan struct{}) { close(gone) }, gone)
		c.watch()
		collectUntil(t, "a collection is noticed", func() bool { return len(c.ended) == 1 })
		select {
		case <-gone:
			t.Error("it ended before it was stopped")
		default:
		}
		close(c.stop)
	}()
	collectUntil(t, "nothing waits", func() bool {
		select {
		case <-gone:
			return true
		default:
			return false
		}
	})
}

// collectUntil collects garbage until something is so.
func collectUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		runtime.GC()
	}
}
