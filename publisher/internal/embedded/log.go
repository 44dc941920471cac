package embedded

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// serverLog writes the log of the embedded server to zap: notices at debug, and no trace, which
// contains messages.
type serverLog struct {
	log *zap.Logger

	mu         sync.Mutex
	firstFatal string    // guarded by mu, as the others
	failed     time.Time // time of the last line about a client without the token
	held       int       // such lines that were not logged since then
}

// Noticef implements server.Logger, as do the others.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

// Warnf logs at warn, except the warning about max_payload, which the bridge chooses and the user
// cannot improve.
func (l *serverLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	if strings.HasPrefix(text, "Maximum payloads over") {
		l.log.Debug(text)
		return
	}
	l.log.Warn(text)
}

// Errorf logs at error. Every host that reaches the port can be a client without the token, so it logs at
// most one of these a second.
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

// Fatalf keeps the first reason, which start returns as an error. The server expects the process to end
// here.
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
