package connections

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// calls counts what is asked of the operating system.
type calls struct{ reads, readDeadlines, writeDeadlines atomic.Int64 }

func (c *calls) deadlines() int64 { return c.readDeadlines.Load() + c.writeDeadlines.Load() }

type countedConn struct {
	net.Conn
	calls *calls
}

func (c countedConn) Read(p []byte) (int, error) {
	c.calls.reads.Add(1)
	return c.Conn.Read(p)
}

func (c countedConn) SetReadDeadline(t time.Time) error {
	c.calls.readDeadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c countedConn) SetWriteDeadline(t time.Time) error {
	c.calls.writeDeadlines.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

type countedListener struct {
	net.Listener
	calls *calls
}

func (l countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn, l.calls}, nil
}

// pipe returns both ends of a connection, and counts the calls below the first.
func pipe(t *testing.T) (*Conn, *calls, net.Conn) {
	t.Helper()
	ours, peer := net.Pipe()
	t.Cleanup(func() { _ = ours.Close(); _ = peer.Close() })
	below := &calls{}
	return &Conn{Conn: countedConn{ours, below}, connections: New(1, 0, func(string) {})}, below, peer
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
