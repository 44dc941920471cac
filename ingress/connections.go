package ingress

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// opsConnections bounds the connections of the ops listener, apart from the public one, so
// that no number of webhooks keeps /livez and /readyz from answering.
const opsConnections = 64

// connections bounds the connections of a listener, in all and from each address. A new
// connection beyond a bound takes the place of an old one that does nothing useful: first of
// one that never showed a credential and is not being answered, then of one whose body is
// slow, then of one that is idle. Only if there is none is the new one closed.
type connections struct {
	most     int              // in all
	mostEach int              // from one address; 0: no bound but most
	dropped  func(why string) // is told of each connection that is closed for a bound

	shuttingDown atomic.Bool // bodies must be complete by draining

	mu       sync.Mutex
	open     list.List // of *boundedConn, in the order in which they came
	each     map[netip.Prefix]int
	draining time.Time // zero while the server serves
}

// Why a connection was closed for a bound.
const (
	droppedNew     = "new"       // all others are at work
	droppedWaiting = "waiting"   // no credential was ever shown on it
	droppedSlow    = "slow-body" // its body was not complete after patience
	droppedIdle    = "idle"      // it waited for the next request for longer than patience
)

// patience is how long a body in the middle, or an idle connection of somebody with a
// credential, keeps its place from others.
const patience = time.Second

func newConnections(most, mostEach int, dropped func(why string)) *connections {
	return &connections{most: most, mostEach: mostEach, dropped: dropped, each: map[netip.Prefix]int{}}
}

// listener returns l with its connections bounded.
func (c *connections) listener(l net.Listener) net.Listener { return boundedListener{l, c} }

type boundedListener struct {
	net.Listener
	connections *connections
}

func (l boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b := l.connections.admit(conn); b != nil {
			return b, nil
		}
	}
}

// admit returns the connection as one that counts, or closes it and returns nil.
func (c *connections) admit(conn net.Conn) *boundedConn {
	b := &boundedConn{Conn: conn, connections: c, peer: peerOf(conn.RemoteAddr())}
	b.since.Store(time.Now().UnixNano())
	for {
		c.mu.Lock()
		var from *netip.Prefix
		switch {
		case c.mostEach > 0 && c.each[b.peer] >= c.mostEach:
			from = &b.peer
		case c.open.Len() < c.most:
			b.place = c.open.PushBack(b)
			c.each[b.peer]++
			c.mu.Unlock()
			return b
		}
		victim, why := c.victim(from)
		c.mu.Unlock()
		c.dropped(why)
		if victim == nil {
			_ = conn.Close()
			return nil
		}
		_ = victim.Close() // gives its place back
	}
}

// victim returns the connection that loses its place, of one address if from is set, and why.
func (c *connections) victim(from *netip.Prefix) (*boundedConn, string) {
	var slow, idle *boundedConn
	before := time.Now().Add(-patience).UnixNano()
	for e := c.open.Front(); e != nil; e = e.Next() {
		b := e.Value.(*boundedConn)
		if from != nil && b.peer != *from {
			continue
		}
		switch phase(b.phase.Load()) {
		case waiting:
			if !b.trusted.Load() {
				return b, droppedWaiting
			}
			idle = olderOf(idle, b, before)
		case sending:
			slow = olderOf(slow, b, before)
		}
	}
	switch {
	case slow != nil:
		return slow, droppedSlow
	case idle != nil:
		return idle, droppedIdle
	}
	return nil, droppedNew
}

// olderOf returns which of two connections has been in its phase for longer, and the first
// if the second has not been in it since before.
func olderOf(a, b *boundedConn, before int64) *boundedConn {
	if since := b.since.Load(); since > before || a != nil && a.since.Load() <= since {
		return a
	}
	return b
}

// drain gives the bodies that are being sent until then. It is for a shutdown, which would
// wait for a slow one longer than it may take.
func (c *connections) drain(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = until
	c.shuttingDown.Store(true)
	for e := c.open.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*boundedConn); phase(b.phase.Load()) == sending {
			_ = b.SetReadDeadline(until)
		}
	}
}

// readUntil bounds how long a body may take, by what a shutdown leaves too.
func (c *connections) readUntil(conn interface{ SetReadDeadline(time.Time) error }, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining.IsZero() && c.draining.Before(until) {
		until = c.draining
	}
	_ = conn.SetReadDeadline(until)
}

// phase is what a connection is doing.
type phase int32

const (
	waiting phase = iota // for a request, or its headers
	sending              // a body is being read
	working              // a handler is at work, or its answer is being taken
)

// boundedConn is a connection that counts.
type boundedConn struct {
	net.Conn
	connections *connections
	peer        netip.Prefix
	place       *list.Element // nil once it was given back; guarded by connections.mu

	phase   atomic.Int32
	since   atomic.Int64 // when it began to wait, or its body to be read, in Unix nanoseconds
	trusted atomic.Bool  // it has carried a credential that a source takes
}

// enter notes what the connection does from now on.
func (b *boundedConn) enter(p phase) {
	if p != working {
		b.since.Store(time.Now().UnixNano())
	}
	b.phase.Store(int32(p))
}

// Close gives the place back, and closes the connection. It may be called again.
func (b *boundedConn) Close() error {
	c := b.connections
	c.mu.Lock()
	if b.place != nil {
		c.open.Remove(b.place)
		b.place = nil
		if c.each[b.peer]--; c.each[b.peer] == 0 {
			delete(c.each, b.peer)
		}
	}
	c.mu.Unlock()
	return b.Conn.Close()
}

// CloseWrite is what net/http asks for to end a connection so that the answer arrives.
func (b *boundedConn) CloseWrite() error {
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// peerOf returns the address that a connection counts for: of IPv6 the /64, which is what
// one host has.
func peerOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the bits fit
	return prefix
}

// droppedConnections counts and logs what was closed for a bound.
type droppedConnections struct {
	log     *zap.Logger
	counted *prometheus.CounterVec
	pace    perSecond
}

func (d *droppedConnections) count(why string) {
	d.counted.WithLabelValues(why).Inc()
	if more, ok := d.pace.take(); ok {
		d.log.Warn("a connection is closed: there are as many as ingress.max_connections, or from one address as ingress.max_connections_per_address, allows",
			zap.String("closed", why), zap.Int("more_since_the_last_line", more))
	}
}
