package ingress

import (
	"bytes"
	"context"
	"unicode/utf8"

	"golang.org/x/sync/semaphore"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// newBodies returns a budget for bodies. The largest one fits, and the look for more.
func newBodies(cfg Config, size value.Size) *semaphore.Weighted {
	return semaphore.NewWeighted(int64(max(size, cfg.MaxBody)) + 2*bodyStep)
}

// What a request needs beside its body, while it is parsed and accepted, in bytes. They are
// estimates, from above.
const (
	perByte  = 3       // the envelope, the entry of the journal, and what is sent to NATS
	perOther = 8       // instead, where it is not UTF-8: what stands for it, and its bytes in base64
	perValue = 320     // its place in the index, and what is normalised of it
	perEvent = 4 << 10 // an envelope around almost nothing, made and encoded
)

// freeWork is how much of that does not count: slots bound it.
const freeWork = 64 << 10

// workOf estimates what a body needs beside itself. It looks at no more than which bytes there
// are, so it may count what stands in a text.
func workOf(body []byte, maxElements int) int64 {
	objects := bytes.Count(body, []byte{'{'})
	values := 1 + objects + bytes.Count(body, []byte{'['}) + bytes.Count(body, []byte{','})
	bytewise := int64(perByte)
	if len(body) > freeWork/perOther && !utf8.Valid(body) {
		bytewise = perOther
	}
	work := int64(len(body))*bytewise + int64(min(values, maxElements))*perValue
	if text := bytes.TrimLeft(body, " \t\r\n\ufeff"); len(text) > 0 && text[0] == '[' {
		work += int64(min(objects, delivery.MaxEvents)) * perEvent
	}
	return work
}

// reservation is what a request has of the budget for work.
type reservation struct {
	of    [2]*semaphore.Weighted
	bytes [2]int64
}

// reserve waits until what a body needs beside itself can be had, in all and for its source, or
// the context ends. Most need so little that they never wait.
func (s *snapshot) reserve(ctx context.Context, src *source, body []byte) (r reservation, ok bool) {
	work := workOf(body, s.config.MaxElements)
	if work <= freeWork {
		return r, true
	}
	// First of the source, so that one which waits for its own room holds nobody else's.
	for i, b := range []struct {
		budget *semaphore.Weighted
		size   int64
	}{{src.memory, src.memorySize}, {s.memory, int64(s.config.MaxInFlightBytes)}} {
		r.of[i], r.bytes[i] = b.budget, min(work, b.size) // what is more than all has it alone
		if err := b.budget.Acquire(ctx, r.bytes[i]); err != nil {
			r.bytes[i] = 0
			r.release()
			return r, false
		}
	}
	return r, true
}

func (r *reservation) release() {
	for i, budget := range r.of {
		if budget != nil {
			budget.Release(r.bytes[i])
		}
	}
}
