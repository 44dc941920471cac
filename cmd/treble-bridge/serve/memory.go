package serve

import (
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
)

// What the garbage collector is told, unless GOGC and GOMEMLIMIT tell it.
const (
	// gcPercent lets the heap grow to three times what is in use before it is collected: with
	// an external NATS a few MB are, and the default would collect a hundred times a second.
	gcPercent = 200
	// memoryShare of the container's or host's memory is the limit, beyond which it collects as
	// often as it must. The rest is for what the Go runtime does not count.
	memoryShare = 0.9
)

// limitMemory sets the garbage collector up, and returns how, for the log. The embedded NATS
// server has caches of its own, which must not be in memory three times over: with it
// the default stays.
func limitMemory(embedded bool) []zap.Field {
	if os.Getenv("GOGC") == "" && !embedded {
		debug.SetGCPercent(gcPercent)
	}
	percent := debug.SetGCPercent(-1)
	debug.SetGCPercent(percent)
	limit, err := memlimit.Set(memlimit.WithRatio(memoryShare), memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)))
	fields := []zap.Field{zap.Int("gc_percent", percent), zap.Int64("memory_limit", limit)}
	if err != nil {
		fields = append(fields, zap.NamedError("memory_limit_error", err))
	}
	return fields
}
