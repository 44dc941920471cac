package test

import (
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is a nats-server in the process of the tests, with JetStream: a NATS
// that is not the bridge's own, and needs no container.
type broker struct {
	*server.Server
	js jetstream.JetStream
}

// startBroker starts a nats-server on a free port. Options may be changed
// before it starts.
func startBroker(t *testing.T, change ...func(*server.Options)) *broker {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(),
	}
	for _, f := range change {
		f(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	b := &broker{Server: s}
	t.Cleanup(b.stop)
	nc, err := nats.Connect(s.ClientURL(), nats.Token(o.Authorization), nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if b.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return b
}

// stop may be called more than once.
func (b *broker) stop() {
	b.Shutdown()
	b.WaitForShutdown()
}

// proxy stands between the bridge and a broker. What the broker sends, the
// PubAcks above all, can be held back, and what the bridge sends as well.
type proxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while nothing of the broker is held back
	out   chan struct{} // closed while nothing of the bridge is
	conns []net.Conn
}

func startProxy(t *testing.T, b *broker) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: b.Addr().String(), open: make(chan struct{}), out: make(chan struct{})}
	close(p.open)
	close(p.out)
	p.work.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// hold keeps back what the broker sends from now on.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// freeze keeps back what either side sends from now on.
func (p *proxy) freeze() {
	p.hold()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = make(chan struct{})
}

// release lets everything go that is held back.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, gate := range []chan struct{}{p.open, p.out} {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
}

// drop ends every connection, with what is held back on it, and lets new ones
// go on.
func (p *proxy) drop() {
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.release()
}

func (p *proxy) outGate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

func (p *proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", p.target)
		if err != nil { // the broker is away, so this client must see none
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, upstream)
		p.mu.Unlock()
		p.work.Go(func() { copyUntilEnd(upstream, client, p.outGate) })
		p.work.Go(func() { copyUntilEnd(client, upstream, p.gate) })
	}
}

// copyUntilEnd passes bytes on until one side ends, then ends both. Before
// each write it waits for the gate.
func copyUntilEnd(dst, src net.Conn, gate func() <-chan struct{}) {
	defer src.Close()
	defer dst.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		<-gate()
		if _, err := dst.Write(buf[:n]); err != nil {
			return
		}
	}
}

// close ends everything and waits for it.
func (p *proxy) close() {
	p.listener.Close()
	p.release()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}
