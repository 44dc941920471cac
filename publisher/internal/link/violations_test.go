package link

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

var errViolation = errors.New("nats: Maximum Payload Violation")

// watch begins to watch for a publish.
func watch(v *Violations) *Watch { return v.Watch(func(string) bool { return true }) }

// TestTwoAtOnceWhenOneIsTooLarge: the server does not say whose message ended the connection, so
// that of two nothing is proven.
func TestTwoAtOnceWhenOneIsTooLarge(t *testing.T) {
	var v Violations
	first, other := watch(&v), watch(&v)
	if !v.Exceeded(errViolation) || first.Exceeds() || other.Exceeds() {
		t.Error("want it noticed, and nobody told")
	}
	other.Stop()
	first.Stop()
	single, beside := v.WatchMessage("a", func(error) {}), v.WatchMessage("b", func(error) {})
	if !v.Exceeded(errViolation) || single.Exceeds() || beside.Exceeds() {
		t.Error("want nobody told of several that are published apart")
	}
	single.Stop()
	beside.Stop()
	first = watch(&v)
	if !v.Exceeded(errViolation) || !first.Exceeds() {
		t.Error("want the only one told")
	}
	if v.Exceeded(errors.New("nats: stale connection")) || v.Exceeded(nil) {
		t.Error("want nothing else noticed")
	}
}

// TestTooLargeBehindOneWithoutAnswer: a message that nobody waits for any more may be the one that
// ended the connection.
func TestTooLargeBehindOneWithoutAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*Violations)
		want   bool
	}{
		"unanswered": {func(v *Violations) { w := watch(v); w.Sent(); w.Stop() }, false},
		"a part of it unanswered": {func(v *Violations) {
			w := watch(v)
			w.Sent()
			w.Sent()
			w.Answered(1)
			w.Stop()
		}, false},
		"answered":       {func(v *Violations) { w := watch(v); w.Sent(); w.Answered(1); w.Stop() }, true},
		"not sent":       {func(v *Violations) { watch(v).Stop() }, true},
		"another client": {func(v *Violations) { w := watch(v); w.Sent(); w.Stop(); v.Renew() }, true},
		"a later one answered": {func(v *Violations) {
			w := watch(v)
			w.Sent()
			w.Stop()
			w = watch(v)
			w.Sent()
			w.Answered(1)
			w.Stop()
		}, true},
		"one beside it answered": {func(v *Violations) {
			w, beside := watch(v), watch(v)
			w.Sent()
			beside.Sent()
			w.Stop()
			beside.Answered(1)
			beside.Stop()
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var v Violations
			c.before(&v)
			w := watch(&v)
			if v.Exceeded(errViolation); w.Exceeds() != c.want {
				t.Errorf("blamed: %v, want %v", w.Exceeds(), c.want)
			}
		})
	}
}

func TestEndedForSize(t *testing.T) {
	var s State
	s.Up("server")
	s.Down(true)
	s.Down(false) // the client tells of it twice
	if !s.EndedForSize() {
		t.Error("forgotten while the link is down")
	}
	s.size = time.Now().Add(-soon)
	if s.EndedForSize() {
		t.Error("the next connection is still expected, after a long time")
	}
	s.Down(true)
	if s.Up("server"); s.EndedForSize() {
		t.Error("remembered while the link is up")
	}
	if !InWrite(&net.OpError{Op: "write", Err: syscall.EPIPE}) || !InWrite(&net.OpError{Op: "read", Err: syscall.ECONNRESET}) {
		t.Error("want the error of a write, and a reset")
	}
	if InWrite(&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}) || InWrite(nil) {
		t.Error("want no other")
	}
}
