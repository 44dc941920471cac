// Package delay simulates a distant network: its TCP proxy delays every byte, each way, and changes
// nothing else.
package delay

import (
	"net"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/pace"
)

// Proxy stands between clients and a server. Close it.
type Proxy struct {
	listener net.Listener
	target   string
	oneWay   time.Duration
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool // guarded by mu
	closed bool              // guarded by mu
}

// chunk has the bytes of a read, and the time at which they may go on.
type chunk struct {
	due  time.Time
	data []byte
}

// inFlight bounds the chunks on their way: with 32 KiB each, more
// than a round trip of any use.
const inFlight = 4096

// Listen starts a proxy in front of an address that makes a round trip this long.
func Listen(target string, roundTrip time.Duration) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, oneWay: roundTrip / 2, conns: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	return p, nil
}

// Addr returns the address for clients.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts all connections and returns when nothing of it runs.
func (p *Proxy) Close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.wg.Go(func() { p.pipe(server, client) })
		p.wg.Go(func() { p.pipe(client, server) })
	}
}

// keep notes two connections, unless the proxy is closed.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.closed
}

// pipe carries one direction until either end is closed, and then closes both.
func (p *Proxy) pipe(dst, src net.Conn) {
	chunks := make(chan chunk, inFlight)
	p.wg.Go(func() {
		defer close(chunks)
		for {
			b := make([]byte, 32<<10)
			n, err := src.Read(b)
			if n > 0 {
				chunks <- chunk{time.Now().Add(p.oneWay), b[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range chunks {
		pace.Until(c.due)
		if _, err := dst.Write(c.data); err != nil {
			break
		}
	}
	p.mu.Lock()
	for _, c := range []net.Conn{src, dst} {
		c.Close()
		delete(p.conns, c)
	}
	p.mu.Unlock()
	for range chunks { // the reader must not wait for us
	}
}
