package serve

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// The settings of the garbage collector, unless GOGC and GOMEMLIMIT set them.
const (
	// gcPercent lets the heap grow to 2.5 times what is in use before it is collected: with
	// an external NATS a few MB are, and the default would collect a hundred times a second.
	gcPercent = 150
	// memoryShare of the container's or host's memory is the limit, beyond which it collects as
	// often as it must. The rest is for what the Go runtime does not count.
	memoryShare = 0.9
	// usualMemory is the least limit. With it a flood of large bodies, of which usualLive are live at most,
	// makes the bridge collect more often, and not grow by what they leave behind. The rest
	// of 256 MiB is the program itself.
	usualMemory = 184 << 20
	usualLive   = usualMemory * 3 / 4
	// memoryStep is what limits differ by: to set one stops the program for a moment.
	memoryStep = 16 << 20
)

// memoryLimit is the limit of the Go runtime.
type memoryLimit struct {
	most    int64 // of container or host
	follows bool  // what is in use; false if GOMEMLIMIT says what it is
}

// memoryInUse is what the Go runtime has in memory, in bytes.
type memoryInUse struct {
	live   int64 // objects of the heap that the last collection found in use; 0 before the first
	stacks int64
	beside int64 // all but objects: stacks, gaps in the heap, and what the runtime needs for itself
}

// limitMemory sets the garbage collector up, and returns how, for the log. The embedded NATS
// server has caches of its own, which must not be in memory three times over: with it
// the default stays.
func limitMemory(embedded bool) (memoryLimit, []zap.Field) {
	if os.Getenv("GOGC") == "" && !embedded {
		debug.SetGCPercent(gcPercent)
	}
	percent := debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
	m := memoryLimit{most: limit, follows: os.Getenv("GOMEMLIMIT") == "" && limit > usualMemory}
	m.follow(readMemoryInUse())
	fields := []zap.Field{zap.Int("gc_percent", percent), zap.Int64("memory_limit", debug.SetMemoryLimit(-1))}
	if m.follows {
		fields = append(fields, zap.Int64("memory_limit_most", m.most))
	}
	if err != nil {
		fields = append(fields, zap.NamedError("memory_limit_error", err))
	}
	return m, fields
}

// start lets the limit follow what is in use, after each collection, until stop is called.
func (m memoryLimit) start() (stop func()) {
	if !m.follows {
		return func() {}
	}
	var running sync.WaitGroup
	c := &collections{ended: make(chan struct{}, 1), stop: make(chan struct{})}
	c.watch()
	running.Go(func() {
		for {
			select {
			case <-c.stop:
				return
			case <-c.ended:
				m.follow(readMemoryInUse())
			}
		}
	})
	return func() {
		close(c.stop)
		running.Wait()
	}
}

// follow sets the limit for what is in use.
func (m memoryLimit) follow(u memoryInUse) {
	if !m.follows {
		return
	}
	if limit := m.limit(u); limit != debug.SetMemoryLimit(-1) {
		debug.SetMemoryLimit(limit)
	}
}

// limit leaves room for garbage. With little room the collector starts again as soon as it has ended,
// and takes more of the processor than the requests.
func (m memoryLimit) limit(u memoryInUse) int64 {
	// Stacks tell many connections from large bodies, which have none: a busy connection takes about three
	// times its stacks in the heap, and gaps.
	need := usualMemory + 4*u.stacks
	if u.live > usualLive { // a backlog, or a large duplicate window
		need = max(need, u.live+(u.live+u.stacks)*3/2+u.beside)
	}
	return min(need-(need-usualMemory)%memoryStep, m.most)
}

// readMemoryInUse asks the Go runtime.
func readMemoryInUse() memoryInUse {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	var b [6]int64
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 { // a later version of Go may not have it
			b[i] = int64(s.Value.Uint64())
		}
	}
	return memoryInUse{live: b[0], stacks: b[1], beside: b[2] - b[3] - b[4] - b[5]}
}

// collections tells when the garbage collector has ended.
type collections struct {
	ended chan struct{} // has room for one
	stop  chan struct{} // closed when nobody wants to know any more
}

// watch makes an object that is garbage at once: when a collection has found it, it tells, and
// makes the next one. The runtime has no other notice of a collection.
func (c *collections) watch() {
	type garbage struct{ _ *garbage } // without a pointer it could share its place with something that lives
	runtime.AddCleanup(new(garbage), func(c *collections) {
		select {
		case <-c.stop:
			return
		default:
		}
		select {
		case c.ended <- struct{}{}:
		default: // it was told, and has not looked yet
		}
		c.watch()
	}, c)
}
