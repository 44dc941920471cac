//go:build faults

package faults

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestFaultsNetworkSlow puts a slow network between a bridge and NATS: every
// byte comes 100 ms late, and 512 KiB per second go through each way, which is
// less than the load. Then it is cut so that both sides hang, and is well again.
func TestFaultsNetworkSlow(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	p := startSlowProxy(t, nats.Addr())
	daemon := bridge.Serve(t, "TREBLE_BRIDGE_NATS_URL=nats://"+p.listener.Addr().String())
	l := load(t, "c", faultPace,
		func() string { return daemon.Addrs.Ingress },
		func() string { return "http://" + daemon.Addrs.Ops + "/metrics" })
	l.publishes(100)

	p.set(100*time.Millisecond, 512<<10)
	l.faults++
	from := l.metric("stored_events")
	l.during(20 * time.Second)
	l.note("in 20s of a slow network %g events were published, %g waited", l.metric("stored_events")-from, l.metric("pending_events"))

	if l.busy() {
		l.faults++
	}
	p.cut()
	l.during(10 * time.Second)
	p.set(0, 0)

	l.publishes(100)
	l.endsWithoutLoss(nats)
}

// slowProxy passes TCP connections on, late and slowly.
type slowProxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu      sync.Mutex
	latency time.Duration
	rate    int           // bytes per second of each direction; 0: any
	flows   chan struct{} // closed while bytes pass
	conns   []net.Conn
}

func startSlowProxy(t *testing.T, target string) *slowProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &slowProxy{listener: l, target: target, flows: make(chan struct{})}
	close(p.flows)
	p.work.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// set makes what is passed on from now on late and slow. It ends a cut.
func (p *slowProxy) set(latency time.Duration, rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency, p.rate = latency, rate
	select {
	case <-p.flows:
	default:
		close(p.flows)
	}
}

// cut keeps everything back: both sides hang.
func (p *slowProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows = make(chan struct{})
}

func (p *slowProxy) state() (latency time.Duration, rate int, flows <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latency, p.rate, p.flows
}

func (p *slowProxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, upstream)
		p.mu.Unlock()
		p.work.Go(func() { p.pass(upstream, client) })
		p.work.Go(func() { p.pass(client, upstream) })
	}
}

// late is a piece of what a connection carries, and when it is due.
type late struct {
	bytes []byte
	due   time.Time
}

// pass carries bytes one way until a side ends, then ends both.
func (p *slowProxy) pass(dst, src net.Conn) {
	pieces := make(chan late, 64) // what is on its way; then the sender waits, as with TCP
	p.work.Go(func() {
		defer close(pieces)
		buf := make([]byte, 4<<10)
		for {
			n, err := src.Read(buf)
			if err != nil {
				return
			}
			latency, _, _ := p.state()
			pieces <- late{append([]byte(nil), buf[:n]...), time.Now().Add(latency)}
		}
	})
	for piece := range pieces {
		time.Sleep(time.Until(piece.due))
		_, rate, flows := p.state()
		<-flows
		if rate > 0 {
			time.Sleep(time.Duration(len(piece.bytes)) * time.Second / time.Duration(rate))
		}
		if _, err := dst.Write(piece.bytes); err != nil {
			break
		}
	}
	src.Close()
	dst.Close()
	for range pieces { // let the reader end
	}
}

// close ends everything and waits for it.
func (p *slowProxy) close() {
	p.listener.Close()
	p.set(0, 0)
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}
