package link

import (
	"regexp"
	"strings"
	"sync"
)

// Reasons remembers which reasons were logged. It is safe for concurrent use.
type Reasons struct {
	mu   sync.Mutex
	said map[string]bool
}

// mostReasons bounds what Reasons remembers.
const mostReasons = 100

// localPort matches the local address in an error text, whose port differs at each attempt.
var localPort = regexp.MustCompile(`\S+->`)

// WithoutPort removes the local addresses from an error text.
func WithoutPort(text string) string { return localPort.ReplaceAllString(text, "") }

// First reports whether a reason is new, whatever the local port in it.
func (r *Reasons) First(reason string) bool {
	reason = strings.ToLower(WithoutPort(reason)) // the client and the server write one reason in two ways
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said[reason] || len(r.said) >= mostReasons {
		return false
	}
	if r.said == nil {
		r.said = map[string]bool{}
	}
	r.said[reason] = true
	return true
}

// Forget forgets all reasons, at a new connection.
func (r *Reasons) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = nil
}
