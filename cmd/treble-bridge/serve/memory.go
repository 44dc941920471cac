package serve

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// The settings of the garbage collector, unless GOGC and GOMEMLIMIT set them.
const (
	// gcPercent lets the heap grow to three times what is in use before it is collected: with
	// an external NATS a few MB are, and the default would collect a hundred times a second.
	gcPercent = 200
	// memoryShare of the container's or host's memory is the limit, beyond which it collects as
	// often as it must. The rest is for what the Go runtime does not count.
	memoryShare = 0.9
	// usualMemory is the limit as long as usualLive is in use at most. Requests in work cannot have so
	// much, so a flood of large ones makes the bridge collect more often, and not grow by what
	// they leave behind. The rest of 256 MiB is the program itself.
	usualMemory = 184 << 20
	usualLive   = usualMemory * 3 / 4
	// liveEvery is the interval at which the live heap is measured.
	liveEvery = time.Second
)

// memoryLimit is the limit of the Go runtime.
type memoryLimit struct {
	most    int64 // of container or host
	follows bool  // what is in use; false if GOMEMLIMIT says what it is
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
	fields := []zap.Field{zap.Int("gc_percent", percent), zap.Int64("memory_limit", limit)}
	if err != nil {
		fields = append(fields, zap.NamedError("memory_limit_error", err))
	}
	m.follow(liveMemory())
	return m, fields
}

// start lets the limit follow what is in use until stop is called.
func (m memoryLimit) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(liveEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				m.follow(liveMemory())
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// follow sets the limit for so much memory in use.
func (m memoryLimit) follow(live uint64) {
	if !m.follows {
		return
	}
	limit := int64(usualMemory)
	if live > usualLive { // a backlog, or a large duplicate window: a lower limit would only make the collector run all the time
		limit = m.most
	}
	debug.SetMemoryLimit(limit)
}

// liveMemory returns the bytes of the heap that were in use after the last collection.
func liveMemory() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
