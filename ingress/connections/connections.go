// Package connections wraps the connections that net/http serves: it bounds them, in all and from
// each address, refuses requests that are too expensive or ambiguous before net/http reads them,
// and counts connections that never send a request.
package connections

import (
	"container/list"
	"context"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Bounds bounds the connections of a listener. A new
// connection beyond the bound takes the place of an old one that does nothing useful: first of
// one that never showed a credential and is not being answered, then of one whose body is
// slow, then of one that is idle. Each of these keeps its place for a moment, for which the new one waits; only
// if none gives way is the new one closed.
type Bounds struct {
	most    int              // in all
	share   int              // of these for one address, when all are taken
	freed   chan struct{}    // has one after a place was given back
	dropped func(why string) // is told of each connection that is closed for a bound

	answers atomic.Int64 // that clients of HTTP/2 have not taken

	drains atomic.Bool // bodies must be complete by draining

	mu       sync.Mutex
	open     list.List // of *Conn, in the order in which they came
	streams  int       // places that further requests of HTTP/2 take
	each     map[netip.Prefix]int
	draining time.Time // zero while the server serves
}

// Why a connection was closed for a bound.
const (
	droppedNew     = "new"       // all others are at work
	droppedWaiting = "waiting"   // no credential was ever shown on it
	droppedSlow    = "slow-body" // its body was not complete after patienceForBody
	droppedIdle    = "idle"      // it waited for the next request for longer than patienceForIdle
)

// How long a connection keeps its place from others in any case. Good senders send their request
// at once; a closed idle connection may cost one of theirs.
const (
	patienceForRequest = 250 * time.Millisecond
	patienceForIdle    = 250 * time.Millisecond
	patienceForBody    = time.Second
)

// How long a new connection waits for a place.
const (
	shortestWait = 10 * time.Millisecond // before it looks again
	longestWait  = 2 * patienceForBody
)

// New returns bounds for one listener: so many connections in all, and of these a share for one
// address, when all are taken; 0 for no share. It calls dropped for each connection that is closed, from many goroutines.
func New(most, share int, dropped func(why string)) *Bounds {
	if share == 0 {
		share = math.MaxInt // no address is greedy
	}
	return &Bounds{most: most, share: share, dropped: dropped, each: map[netip.Prefix]int{}, freed: make(chan struct{}, 1)}
}

// Listener returns l with its connections bounded.
func (c *Bounds) Listener(l net.Listener) net.Listener { return boundedListener{l, c} }

type boundedListener struct {
	net.Listener
	connections *Bounds
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

// admit returns the connection as one that counts, or closes it and returns nil. Where all places
// are taken it waits until one may be given away, and the connections behind this one wait in
// the kernel meanwhile.
func (c *Bounds) admit(conn net.Conn) *Conn {
	b := &Conn{Conn: conn, connections: c, peer: peerOf(conn.RemoteAddr())}
	until := time.Now().Add(longestWait)
	for {
		c.mu.Lock()
		if c.open.Len() < c.most {
			b.since.Store(time.Now().UnixNano())
			b.place = c.open.PushBack(b)
			c.each[b.peer]++
			c.mu.Unlock()
			return b
		}
		victim, why := c.victim(b.peer)
		c.mu.Unlock()
		switch {
		case victim != nil:
			c.dropped(why)
			_ = victim.Close() // gives its place back
		case !c.awaitPlace(until):
			c.dropped(droppedNew)
			_ = conn.Close()
			return nil
		}
	}
}

// takePlace takes one of the places for further requests of HTTP/2 connections, of which there are half as
// many as for connections, and reports whether there was one. Where all are taken, a connection loses its own
// whose bodies are slow, or which does not take its answers; without such a one nobody waits.
func (c *Bounds) takePlace() bool {
	until := time.Now().Add(patienceForRequest)
	closed := false
	for {
		c.mu.Lock()
		if c.streams < max(c.most/2, 1) {
			c.streams++
			c.mu.Unlock()
			return true
		}
		var victim *Conn
		if !closed {
			victim = c.slowest()
		}
		c.mu.Unlock()
		if victim != nil {
			closed = true
			c.dropped(droppedSlow)
			_ = victim.Close() // its requests give their places back when they notice
		}
		if !closed || !c.awaitPlace(until) {
			c.dropped(droppedNew)
			return false
		}
	}
}

// slowest returns the connection of several requests that has been slow for the longest time, with its bodies
// or in taking answers, or nil.
func (c *Bounds) slowest() (slow *Conn) {
	before := time.Now().Add(-patienceForBody)
	for e := c.open.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*Conn); b.streams.Load() > 1 && b.phase() != Working {
			slow = olderOf(slow, b, before)
		}
	}
	return slow
}

// givePlace gives back what takePlace took.
func (c *Bounds) givePlace(n int) {
	c.mu.Lock()
	c.streams -= n
	c.mu.Unlock()
	c.signalFreed()
}

// signalFreed wakes one that waits for a place, or the next one that will.
func (c *Bounds) signalFreed() {
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

// awaitPlace waits until a place is free, or may be given away by now. It returns false after
// until.
func (c *Bounds) awaitPlace(until time.Time) bool {
	if !time.Now().Before(until) {
		return false
	}
	timer := time.NewTimer(min(time.Until(until), shortestWait))
	defer timer.Stop()
	select {
	case <-c.freed:
	case <-timer.C:
	}
	return true
}

// victim returns the connection that loses its place to one of the address, and why; nil if there is
// none now. An address that has its share or more takes no place of others, and loses its own first.
func (c *Bounds) victim(of netip.Prefix) (*Conn, string) {
	greedy := c.each[of] >= c.share
	var waiting, slow, idle *Conn
	fresh := 0 // have not shown a credential, and may be about to
	now := time.Now()
	for e := c.open.Front(); e != nil; e = e.Next() {
		b := e.Value.(*Conn)
		if greedy && b.peer != of {
			continue
		}
		switch b.phase() {
		case Waiting:
			if b.trusted.Load() {
				idle = olderOf(idle, b, now.Add(-patienceForIdle))
				continue
			}
			if b.since.Load() > now.Add(-patienceForRequest).UnixNano() {
				fresh++
				continue
			}
			if greedy || c.each[b.peer] >= c.share {
				return b, droppedWaiting
			}
			if waiting == nil {
				waiting = b
			}
		case Sending:
			slow = olderOf(slow, b, now.Add(-patienceForBody))
		}
	}
	switch {
	case waiting != nil:
		return waiting, droppedWaiting
	case fresh*8 > c.most:
		return nil, "" // soon they will be the ones to go, unless they are good
	case slow != nil:
		return slow, droppedSlow
	case idle != nil:
		return idle, droppedIdle
	}
	return nil, ""
}

// olderOf returns which of two connections has been in its phase for longer, and the first
// if the second has not been in it since before.
func olderOf(a, b *Conn, before time.Time) *Conn {
	if since := b.since.Load(); since > before.UnixNano() || a != nil && a.since.Load() <= since {
		return a
	}
	return b
}

// Drain gives the bodies that are being sent until then. It is for a shutdown, which would
// wait for a slow one longer than it may take.
func (c *Bounds) Drain(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = until
	c.drains.Store(true)
	for e := c.open.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*Conn); b.phase() == Sending {
			_ = b.SetReadDeadline(until)
		}
	}
}

// Drains reports whether Drain was called.
func (c *Bounds) Drains() bool { return c.drains.Load() }

// ReadUntil bounds how long a body may take, by what a shutdown leaves too.
func (c *Bounds) ReadUntil(conn interface{ SetReadDeadline(time.Time) error }, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining.IsZero() && c.draining.Before(until) {
		until = c.draining
	}
	_ = conn.SetReadDeadline(until)
}

// Phase is the state of a connection, or of a request on it.
type Phase int32

const (
	Waiting Phase = iota // for a request, or its headers
	Sending              // a body is being read
	Working              // a handler is at work, or its answer is being taken
)

// Conn is a connection that counts.
type Conn struct {
	net.Conn
	connections *Bounds
	peer        netip.Prefix
	place       *list.Element // nil once it was given back; guarded by connections.mu

	reading, writing deadline

	working atomic.Int32 // requests at work; more than one with HTTP/2
	sending atomic.Int32 // requests whose body is being read
	answers atomic.Int32 // answers of HTTP/2 that the client has not taken
	streams atomic.Int32 // requests of HTTP/2
	since   atomic.Int64 // when it began to wait, or the first of its bodies to be read, in Unix nanoseconds
	trusted atomic.Bool  // it has carried a credential that a source takes
}

// Move notes that a request of the connection goes from one phase to another. A connection
// with several requests is at work as long as one of them is.
func (b *Conn) Move(from, to Phase) {
	if to == Sending && b.sending.Load() == 0 {
		b.since.Store(time.Now().UnixNano()) // a further body makes no slow one younger
	}
	b.count(to, 1) // first, so that the connection does not seem idle in between
	b.count(from, -1)
	if to == Waiting && b.phase() == Waiting {
		b.since.Store(time.Now().UnixNano())
	}
}

// beginStream counts a request of HTTP/2. Each beyond the first of its connection takes a place, since it
// can hold as much memory as a connection; it returns false if there is none.
func (b *Conn) beginStream() bool {
	if b.streams.Add(1) == 1 || b.connections.takePlace() {
		return true
	}
	if b.streams.Add(-1) == 0 {
		b.connections.givePlace(-1) // the others have ended meanwhile, and gave back this one's too
	}
	return false
}

func (b *Conn) endStream() {
	if b.streams.Add(-1) > 0 {
		b.connections.givePlace(1)
	}
}

func (b *Conn) count(p Phase, n int32) {
	switch p {
	case Working:
		b.working.Add(n)
	case Sending:
		b.sending.Add(n)
	}
}

func (b *Conn) phase() Phase {
	switch {
	case b.working.Load() > 0:
		return Working
	case b.sending.Load() > 0:
		return Sending
	}
	return Waiting
}

// Trust notes that a credential was shown on the connection that a source takes.
func (b *Conn) Trust() { b.trusted.Store(true) }

// mostAnswers bounds the answers that wait until the client takes them, on a connection without a credential. With
// HTTP/2 it says how much it takes, which may be nothing.
const mostAnswers = 4

// answer calls flush, which returns when the client has taken the answer to a request of HTTP/2.
// It returns false without the call if too many of the connection wait already; one that showed a credential may have more, as
// long as not all connections together have as many as strangers may have. Call it when the
// request is not at work any more, so that the connection may lose its place.
func (b *Conn) answer(flush func()) bool {
	defer b.answers.Add(-1)
	mine, all := b.answers.Add(1), b.connections.answers.Add(1)
	defer b.connections.answers.Add(-1)
	if mine > mostAnswers && (!b.trusted.Load() || all > mostAnswers*int64(b.connections.most)) {
		return false
	}
	flush()
	return true
}

// Close gives the place back, and closes the connection. It may be called again.
func (b *Conn) Close() error {
	c := b.connections
	c.mu.Lock()
	if b.place != nil {
		c.open.Remove(b.place)
		b.place = nil
		if c.each[b.peer]--; c.each[b.peer] == 0 {
			delete(c.each, b.peer)
		}
		c.signalFreed()
	}
	c.mu.Unlock()
	return b.Conn.Close()
}

// CloseWrite lets net/http end a connection so that the answer arrives.
func (b *Conn) CloseWrite() error { return CloseWrite(b.Conn) }

// CloseWrite closes the writing side of a connection, if it has one of its own.
func CloseWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
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
	prefix, _ := ip.Prefix(min(ip.BitLen(), 64)) // no error: no address has fewer bits
	return prefix
}

// Dropped counts and logs what is closed for a bound.
func Dropped(m *Metrics, log *zap.Logger) func(why string) {
	pace := NewPerSecond()
	return func(why string) {
		m.dropped.WithLabelValues(why).Inc()
		if more, ok := pace.Take(); ok {
			log.Warn("a connection is closed: there are as many as ingress.max_connections allows",
				zap.String("closed", why), zap.Int("more_since_the_last_line", more))
		}
	}
}

type connKey struct{}

// Context has the form of http.Server.ConnContext, for a listener whose connections are bounded and
// not watched.
func Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// Of returns the connection of a request, or nil if it has none that is bounded.
func Of(ctx context.Context) *Conn {
	c := ctx.Value(connKey{})
	if w := watched(c); w != nil {
		return w.bounded
	}
	bounded, _ := c.(*Conn)
	return bounded
}

// boundedOf returns the connection that counts below what stands on it, such as TLS, or nil.
func boundedOf(c net.Conn) *Conn {
	for {
		if b, ok := c.(*Conn); ok {
			return b
		}
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = above.NetConn()
	}
}
