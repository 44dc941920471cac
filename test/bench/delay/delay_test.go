package delay_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/delay"
)

// TestProxy: what is sent comes back whole, and not before a round trip. That
// it is not much later is no matter of a test.
func TestProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	const roundTrip = 20 * time.Millisecond
	p, err := delay.Listen(l.Addr().String(), roundTrip)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		began := time.Now()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Fatalf("got %q, %v", b, err)
		}
		if took := time.Since(began); took < roundTrip {
			t.Errorf("it came back after %v, before a round trip of %v", took, roundTrip)
		}
	}
}
