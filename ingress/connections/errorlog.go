package connections

import (
	"bytes"
	"log"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// PerSecond admits one event a second. It is safe for concurrent use.
type PerSecond struct {
	limiter *rate.Limiter
	held    atomic.Int64
}

// NewPerSecond returns one that lets the first through.
func NewPerSecond() *PerSecond { return &PerSecond{limiter: rate.NewLimiter(1, 1)} }

// Take reports whether the caller may go on, and how many were held back before it.
func (p *PerSecond) Take() (held int, ok bool) {
	if !p.limiter.Allow() {
		p.held.Add(1)
		return 0, false
	}
	return int(p.held.Swap(0)), true
}

// ErrorLog returns the error log of an http.Server. It writes at most one line a second.
func ErrorLog(to *zap.Logger) *log.Logger {
	return log.New(&pacedLog{log: to, pace: NewPerSecond()}, "", 0)
}

type pacedLog struct {
	log  *zap.Logger
	pace *PerSecond
}

func (p *pacedLog) Write(line []byte) (int, error) {
	if more, ok := p.pace.Take(); ok {
		p.log.Warn(string(bytes.TrimSpace(line)), zap.Int("more_since_the_last_line", more))
	}
	return len(line), nil
}
