package link

import (
	"errors"
	"testing"
)

// TestTwoAtOnceWhenOneIsTooLarge: the server does not say whose message ended the connection, so
// that of two nothing is proven.
func TestTwoAtOnceWhenOneIsTooLarge(t *testing.T) {
	var v Violations
	any := func(string) bool { return true }
	first, stop := v.Watch(any, 1)
	_, stopOther := v.Watch(any, 1)
	violation := errors.New("nats: Maximum Payload Violation")
	if !v.Exceeded(violation) || len(first) != 0 {
		t.Error("want it noticed, and nobody told")
	}
	stopOther()
	several, stopSeveral := v.Watch(any, 2)
	stop()
	if !v.Exceeded(violation) || len(several) != 0 {
		t.Error("want nobody told of several that are published apart")
	}
	stopSeveral()
	first, stop = v.Watch(any, 1)
	if !v.Exceeded(violation) || !errors.Is(<-first, ErrExceeds) {
		t.Error("want the only one told")
	}
	if stop(); v.Exceeded(errors.New("nats: stale connection")) || v.Exceeded(nil) {
		t.Error("want nothing else noticed")
	}
}
