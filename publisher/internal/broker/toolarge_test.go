package broker

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// gate is the first connection to a server. A write that carries a large message fails when the
// server has refused it, and the client reads of the refusal when release is closed: a kernel may
// well let these come in this order.
type gate struct {
	net.Conn
	refused, failed, release, small chan struct{}
	once                            sync.Once
}

const gateLarge = 70_000

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if bytes.Contains(p[:n], []byte("-ERR")) {
		close(g.refused)
		<-g.release
	}
	return n, err
}

func (g *gate) Write(p []byte) (int, error) {
	select {
	case <-g.refused: // the server reads nothing more
		if bytes.Contains(p, []byte("t.small")) {
			g.once.Do(func() { close(g.small) })
		}
		return len(p), nil
	default:
	}
	if len(p) > gateLarge {
		// Its data stays here: the server ends the connection for what it announces, and a reset, for
		// what is left unread, could take the refusal along.
		if _, err := g.Conn.Write(p[:len(p)-gateLarge]); err != nil {
			return 0, err
		}
		<-g.refused
		close(g.failed)
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return g.Conn.Write(p)
}

// gateDialer makes the first connection through the gate, and the others without it.
type gateDialer struct {
	gate *gate
	once sync.Once
}

func (d *gateDialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, connectTimeout)
	if err == nil {
		first := false
		d.once.Do(func() { first = true })
		if first {
			d.gate.Conn = conn
			return d.gate, nil
		}
	}
	return conn, err
}

// behindGate returns a stream of a server that takes less than it says, a gate before it, and a batch
// with a message that is too large.
func behindGate(t *testing.T) (*natstest.Server, *Stream, *gate, []Message) {
	t.Helper()
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 1 << 20 })
	n.Stream(t, testConfig())
	cfg := natsconfig.Default()
	cfg.URL = n.URL
	c, err := newBridgeConn(Options{NATS: cfg, Payload: 1 << 20, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{refused: make(chan struct{}), failed: make(chan struct{}), release: make(chan struct{}), small: make(chan struct{})}
	c.options = append(c.options, nats.SetCustomDialer(&gateDialer{gate: g}))
	if err := c.dial(); err != nil {
		t.Fatal(err)
	}
	s := testStream(t, c, 10*time.Second)
	if err := c.NATS().Flush(); err != nil { // the client reads, which it cannot begin while the gate holds its lock
		t.Fatal(err)
	}
	o := n.Options.Clone()
	o.MaxPayload = 65536
	if err := n.ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	batch := messages("a", "large", "b")
	batch[1].Data = make([]byte, gateLarge)
	return n, s, g, batch
}

// TestBehindTooLarge: a write fails since a message was too large, and the next message leaves before
// the client knows why. It is not the one to blame.
func TestBehindTooLarge(t *testing.T) {
	n, s, g, batch := behindGate(t)
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan Result, 1)
	go func() { done <- s.Publish(ctx, batch) }()
	<-g.failed
	giveUp() // or it would wait for the end of the connection
	if r := <-done; r.Status != Refused {
		t.Errorf("the batch: %v (%v)", r.Status, r.Err)
	}
	small := messages("c")
	small[0].Subject = "t.small"
	go func() { done <- s.Publish(t.Context(), small) }()
	<-g.small
	close(g.release)
	if r := <-done; r.Status != Unknown || errors.Is(r.Err, link.ErrExceeds) {
		t.Errorf("the message behind it: %v (%v)", r.Status, r.Err)
	}
	s.AwaitAfterLimit(t.Context())
	wantStatus(t, s.Publish(t.Context(), small), Stored, "")
	wantStatus(t, s.Publish(t.Context(), batch[1:2]), RefusedSize, "")
	natstest.Eventually(t, "the test is connected", n.NC.IsConnected)
	n.WantIDs(t, "TEST", "c")
}

// TestTooLargeInWrite: a publish whose write fails ends when it is known why, and then the next waits for
// the next connection.
func TestTooLargeInWrite(t *testing.T) {
	_, s, g, batch := behindGate(t)
	go func() {
		<-g.failed
		close(g.release)
	}()
	if r := s.Publish(t.Context(), batch); r.Status != Refused || !errors.Is(r.Err, link.ErrExceeds) {
		t.Errorf("the batch: %v (%v)", r.Status, r.Err)
	}
	s.AwaitAfterLimit(t.Context())
	wantStatus(t, s.Publish(t.Context(), messages("a")), Stored, "")
}
