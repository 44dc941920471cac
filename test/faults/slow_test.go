//go:build faults

package faults

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestFaultsNetworkSlow puts a slow network between a bridge and NATS: every
// byte comes 100 ms late, and 512 KiB per second go through each way, which is
// less than the load. Then it is cut so that both sides hang, and is well again.
func TestFaultsNetworkSlow(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	p := startSlowProxy(t, nats.Addr())
	wire := natstest.StartProxy(t, p.listener.Addr().String())
	daemon := bridge.Serve(t, "TREBLE_BRIDGE_NATS_URL="+wire.URL())
	l := load(t, "c", faultSize, faultPace, daemon)
	l.publishes(100)

	p.set(100*time.Millisecond, 512<<10)
	l.faults++
	from := l.metric("stored_events")
	l.during(20 * time.Second)
	l.note("in 20s of a slow network %g events were published, %g waited", l.metric("stored_events")-from, l.metric("pending_events"))

	l.awaitBusy()
	wire.Freeze()
	l.during(10 * time.Second)
	p.set(0, 0)
	wire.Up()

	l.publishes(100)
	l.endsWithoutLoss(nats)
}

// slowProxy passes TCP connections on, late and slowly.
type slowProxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup
	latency  atomic.Int64 // nanoseconds
	rate     atomic.Int64 // bytes per second of each direction; 0: any
}

func startSlowProxy(t *testing.T, target string) *slowProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &slowProxy{listener: l, target: target}
	p.work.Go(p.serve)
	t.Cleanup(func() { // its client has ended all connections by now
		l.Close()
		p.work.Wait()
	})
	return p
}

// set makes what is passed on from now on late and slow.
func (p *slowProxy) set(latency time.Duration, rate int64) {
	p.latency.Store(int64(latency))
	p.rate.Store(rate)
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
			pieces <- late{bytes.Clone(buf[:n]), time.Now().Add(time.Duration(p.latency.Load()))}
		}
	})
	for piece := range pieces {
		time.Sleep(time.Until(piece.due))
		if rate := p.rate.Load(); rate > 0 {
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
