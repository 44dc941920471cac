package broker

import (
	"errors"
	"testing"
)

// TestTwoAtOnceWhenOneIsTooLarge: the server does not say whose message ended the connection, so
// that of two nothing is proven.
func TestTwoAtOnceWhenOneIsTooLarge(t *testing.T) {
	var d denials
	first, stop := d.watch(messages("a"))
	_, stopOther := d.watch(messages("b"))
	violation := errors.New("nats: Maximum Payload Violation")
	if !d.exceeded(violation) || len(first) != 0 {
		t.Error("want it noticed, and nobody told")
	}
	stopOther()
	several, stopSeveral := d.watchEach(messages("c", "d"))
	stop()
	if !d.exceeded(violation) || len(several) != 0 {
		t.Error("want nobody told of several that are published apart")
	}
	stopSeveral()
	first, stop = d.watch(messages("a"))
	if !d.exceeded(violation) || !errors.Is(<-first, ErrExceeds) {
		t.Error("want the only one told")
	}
	if stop(); d.exceeded(errors.New("nats: stale connection")) || d.exceeded(nil) {
		t.Error("want nothing else noticed")
	}
}
