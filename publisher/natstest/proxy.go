package natstest

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and NATS and misbehaves on demand.
type Proxy struct {
	listener net.Listener
	target   string
	HoldBack atomic.Bool  // bytes from the server wait
	Budget   atomic.Int64 // bytes from the client until the cut; negative: no cut
	Stall    atomic.Bool  // bytes from the client are not read, or wait
	Refuse   atomic.Bool  // new connections are closed at once
	Accepted atomic.Int64 // connections
	// Rewrite, if set before the first connection, changes what the server says.
	Rewrite func([]byte) []byte

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

// StartProxy starts a proxy in front of the server at a URL. It ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: strings.TrimPrefix(target, "nats://")}
	p.Budget.Store(-1)
	p.done.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.HoldBack.Store(false)
		p.Stall.Store(false)
		p.Cut()
		p.done.Wait()
	})
	return p
}

// URL returns the address for clients.
func (p *Proxy) URL() string { return "nats://" + p.Addr() }

// Addr is the URL's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Freeze holds back what either side sends.
func (p *Proxy) Freeze() {
	p.HoldBack.Store(true)
	p.Stall.Store(true)
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.Refuse.Load() {
			client.Close()
			continue
		}
		upstream, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.Accepted.Add(1)
		p.mu.Lock()
		p.conns = append(p.conns, client, upstream)
		p.mu.Unlock()
		p.done.Go(func() { p.toServer(upstream, client) })
		p.done.Go(func() { p.toClient(client, upstream) })
	}
}

func (p *Proxy) toServer(dst, src net.Conn) {
	defer src.Close()
	defer dst.Close()
	b := make([]byte, 32<<10)
	for {
		for p.Stall.Load() {
			time.Sleep(time.Millisecond)
		}
		n, err := src.Read(b)
		if err != nil {
			return
		}
		for p.Stall.Load() { // it came while Read waited
			time.Sleep(time.Millisecond)
		}
		if left := p.Budget.Load(); left >= 0 {
			if int64(n) > left {
				_, _ = dst.Write(b[:left]) // the connection ends here anyway
				p.Refuse.Store(true)
				return
			}
			p.Budget.Add(-int64(n))
		}
		if _, err := dst.Write(b[:n]); err != nil {
			return
		}
	}
}

func (p *Proxy) toClient(dst, src net.Conn) {
	defer src.Close()
	defer dst.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := src.Read(b)
		if err != nil {
			return
		}
		for p.HoldBack.Load() {
			time.Sleep(time.Millisecond)
		}
		said := b[:n]
		if p.Rewrite != nil {
			said = p.Rewrite(said)
		}
		if _, err := dst.Write(said); err != nil {
			return
		}
	}
}

// Cut closes every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// Down cuts, and lets nobody in until Up.
func (p *Proxy) Down() {
	p.Refuse.Store(true)
	p.Cut()
}

// Up lets everything through again.
func (p *Proxy) Up() {
	p.Budget.Store(-1)
	p.Refuse.Store(false)
	p.HoldBack.Store(false)
	p.Stall.Store(false)
}
