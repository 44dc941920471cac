package connections

import (
	"bytes"
	"log"
	"sync"
	"time"

	"go.uber.org/zap"
)

// PerSecond lets one through in a second. Its zero value is ready. It is safe for concurrent use.
type PerSecond struct {
	mu   sync.Mutex
	next time.Time
	held int
}

// Take reports whether the caller may go on, and how many were held back before it.
func (p *PerSecond) Take() (held int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Before(p.next) {
		p.held++
		return 0, false
	} else {
		p.next = now.Add(time.Second)
	}
	held, p.held = p.held, 0
	return held, true
}

// ErrorLog is what net/http writes its complaints to: at most one line a second.
func ErrorLog(to *zap.Logger) *log.Logger { return log.New(&pacedLog{log: to}, "", 0) }

type pacedLog struct {
	log  *zap.Logger
	pace PerSecond
}

func (p *pacedLog) Write(line []byte) (int, error) {
	if more, ok := p.pace.Take(); ok {
		p.log.Warn(string(bytes.TrimSpace(line)), zap.Int("more_since_the_last_line", more))
	}
	return len(line), nil
}
