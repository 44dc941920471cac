package broker

import (
	"regexp"
	"strings"
	"sync"
)

// Reason explains to the operator why there is no connection, and what would mend it; "" if the
// cause is unknown or there is a connection. It repeats no secret.
func (c *Conn) Reason() string {
	err := c.Away()
	if err == nil {
		return ""
	}
	text := localPort.ReplaceAllString(err.Error(), "")
	if fix := c.cfg.Remedy(err); fix != "" {
		text += ": " + fix
	}
	return text
}

// once remembers which reasons were logged. It is safe for concurrent use.
type once struct {
	mu   sync.Mutex
	said map[string]bool
}

// mostReasons bounds what once remembers.
const mostReasons = 100

// localPort matches the local address in an error text, whose port differs at each attempt.
var localPort = regexp.MustCompile(`\S+->`)

// first reports whether a reason is new, whatever the local port in it.
func (o *once) first(reason string) bool {
	reason = strings.ToLower(localPort.ReplaceAllString(reason, "")) // the client and the server write one reason in two ways
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.said[reason] || len(o.said) >= mostReasons {
		return false
	}
	if o.said == nil {
		o.said = map[string]bool{}
	}
	o.said[reason] = true
	return true
}

// forget forgets all reasons, at a new connection.
func (o *once) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = nil
}
