package embedded

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// serverLog passes what the embedded server logs on to zap. Its notices are
// ours to debug by; its trace, which holds messages, goes nowhere.
type serverLog struct {
	log *zap.Logger

	mu         sync.Mutex
	firstFatal string    // guarded by mu, as the others
	failed     time.Time // when a client without the token was last logged
	held       int       // of these, since then
}

// Noticef implements server.Logger, as do the others.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Warnf logs at warn, but for the warning about our own max_payload, which is
// chosen and which the user cannot change for the better.
func (l *serverLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.HasPrefix(text, "Maximum payloads over") {
		l.log.Debug(text)
		return
	}
	l.log.Warn(text)
}

// Errorf logs at error. Of clients without the token, which anybody who reaches the port can be, it logs one a
// second.
func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if !strings.Contains(text, "authentication error") {
		l.log.Error(text)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.failed) < time.Second {
		l.held++
		return
	}
	l.log.Error(text, zap.Int("more_since_the_last_line", l.held))
	l.failed, l.held = time.Now(), 0
}

// Debugf logs at debug.
func (l *serverLog) Debugf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Tracef drops the line.
func (l *serverLog) Tracef(string, ...any) {}

// Fatalf keeps the first reason for the one who started the server. The server
// expects the process to end here; ours ends by returning an error.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.mu.Lock()
	first := l.firstFatal == ""
	if first {
		l.firstFatal = text
	}
	l.mu.Unlock()
	if !first {
		l.log.Error(text)
	}
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.firstFatal
}
