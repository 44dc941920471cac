package ingress_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// TestUnauthorizedIsAnsweredWithoutItsBody: the answer comes while not one byte of the body
// was sent, so the body was not read before.
func TestUnauthorizedIsAnsweredWithoutItsBody(t *testing.T) {
	b := newSetup().start(t)
	var bodies []string
	for _, secret := range []string{"wrong", "", token + "x"} {
		conn := dial(t, b.addr)
		io.WriteString(conn, head(secret, 1000))
		a := readAnswer(t, conn)
		if a.status != 401 || a.header.Get("Www-Authenticate") != "Bearer" || !a.closes {
			t.Errorf("%q: got %d, challenge %q, closes %v; want 401, Bearer, true", secret, a.status,
				a.header.Get("Www-Authenticate"), a.closes)
		}
		bodies = append(bodies, a.body)
	}
	if bodies[0] != bodies[1] || bodies[1] != bodies[2] {
		t.Errorf("got different bodies %q, want the same for every cause", bodies)
	}
	if n := len(b.accepter.got()); n != 0 {
		t.Errorf("got %d deliveries, want 0", n)
	}
}

// TestTooLargeIsAnsweredWithoutItsBody: neither is a body that announces too much.
func TestTooLargeIsAnsweredWithoutItsBody(t *testing.T) {
	t.Parallel()
	b := newSetup().start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, head(token, 1<<30))
	if a := readAnswer(t, conn); a.status != 413 || a.problem(t)["size"] != float64(1<<30) {
		t.Errorf("got %d %s, want 413 with the size", a.status, a.body)
	}
}

func TestSlowHeaders(t *testing.T) {
	s := newSetup()
	s.config.HeaderTimeout = 50 * time.Millisecond
	b := s.start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, "POST /webhook HTTP/1.1\r\nHost: bri")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("got %v, want the connection closed by the server", err)
	}
	b.awaitMetric(t, `requests_unserved_total{reason="incomplete"} 1`)
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := newSetup()
	s.config.BodyTimeout = 100 * time.Millisecond
	b := s.start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, head(token, 1000)+`{"read_at":`)
	a := readAnswer(t, conn)
	if a.status != 408 || a.problem(t)["type"] != "urn:treble-bridge:problem:body-timeout" {
		t.Errorf("got %d %s, want 408 body-timeout", a.status, a.body)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("got %v, want the connection closed by the server", err)
	}
	got := b.accepter.got()
	if len(got) != 1 || got[0].Rejection == nil || got[0].Rejection.Reason != schema.ReasonBodyIncomplete || string(got[0].Body) != `{"read_at":` {
		t.Errorf("got %+v, want what came of the body, refused", got)
	}
}

func TestIdleConnection(t *testing.T) {
	s := newSetup()
	s.config.IdleTimeout = 50 * time.Millisecond
	b := s.start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, goodRequest())
	if a := readAnswer(t, conn); a.status != 200 {
		t.Errorf("got %d, want 200", a.status)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("got %v, want the connection closed by the server", err)
	}
}

// TestAcceptOutlivesDeadlines: neither the body's deadline nor that of writing
// is counted on while Accept works, and the connection stays good.
func TestAcceptOutlivesDeadlines(t *testing.T) {
	s := newSetup()
	s.config.BodyTimeout = 50 * time.Millisecond
	s.config.AcceptTimeout = 300 * time.Millisecond
	s.accepter.AcceptFn = func(ctx context.Context, _ delivery.Delivery) error {
		<-ctx.Done() // so long after the body's deadline
		if err := ctx.Err(); err != context.DeadlineExceeded {
			t.Errorf("context: got %v, want its own deadline", err)
		}
		return nil
	}
	b := s.start(t)
	conn := dial(t, b.addr)
	for i := range 2 {
		io.WriteString(conn, goodRequest())
		if a := readAnswer(t, conn); a.status != 200 || a.closes {
			t.Fatalf("request %d: got %d, closes %v; want 200 and a kept connection", i, a.status, a.closes)
		}
	}
}

// TestAcceptOutlivesClient: the client goes away, Accept goes on, up to its
// own deadline.
func TestAcceptOutlivesClient(t *testing.T) {
	type seen struct {
		left time.Duration
		err  error
	}
	inside, gone, result := make(chan struct{}), make(chan struct{}), make(chan seen, 1)
	s := newSetup()
	s.accepter.AcceptFn = func(ctx context.Context, _ delivery.Delivery) error {
		deadline, _ := ctx.Deadline()
		left := time.Until(deadline)
		close(inside)
		<-gone
		// Were ctx bound to the connection, this is long enough to notice.
		timer := time.NewTimer(200 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		result <- seen{left, ctx.Err()}
		return nil
	}
	b := s.start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, goodRequest())
	<-inside
	conn.Close()
	close(gone)
	got := <-result
	if got.err != nil {
		t.Errorf("context inside Accept: got %v, want it alive", got.err)
	}
	if got.left <= 0 || got.left > s.config.AcceptTimeout {
		t.Errorf("deadline: got %s, want up to %s", got.left, s.config.AcceptTimeout)
	}
	b.awaitMetric(t, `outcome="accepted",source="default"} 1`)
}

// TestShutdown: with 50 requests inside Accept, all are answered completely,
// new connections are refused, and only then Shutdown returns.
func TestShutdown(t *testing.T) {
	const n = 50
	h := newHeld()
	s := newSetup()
	s.accepter.AcceptFn = h.accept
	b := s.start(t)
	answers := make(chan answer, n)
	var clients sync.WaitGroup
	for range n {
		r := b.request(t, "/webhook", read)
		clients.Go(func() {
			a, err := try(r)
			if err != nil {
				t.Errorf("held request: %v", err)
			}
			answers <- a
		})
	}
	for range n {
		<-h.inside
	}
	idle := dial(t, b.addr) // an idle one must not delay the end
	io.WriteString(idle, "GET /webhook HTTP/1.1\r\nHost: bridge\r\n\r\n")
	readAnswer(t, idle)

	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		down <- b.Shutdown(ctx)
	}()
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", b.addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-down:
		t.Fatalf("shutdown returned %v with requests inside Accept", err)
	default:
	}
	close(h.release)
	if err := <-down; err != nil {
		t.Errorf("shutdown: got %v, want nil", err)
	}
	clients.Wait()
	for range n {
		if a := <-answers; a.status != 200 || a.body != "{}" || !a.closes {
			t.Errorf("held request: got %d %q, closes %v; want 200 {} true", a.status, a.body, a.closes)
		}
	}
}

// TestShutdownDeadline: what does not end in time is cut off, and said.
func TestShutdownDeadline(t *testing.T) {
	h := newHeld()
	s := newSetup()
	s.accepter.AcceptFn = h.accept
	b := s.start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, goodRequest())
	<-h.inside
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := b.Shutdown(ctx)
	if err == nil || !strings.Contains(err.Error(), "still in work") {
		t.Errorf("got %v, want requests still in work", err)
	}
	close(h.release)
	if got, _ := io.ReadAll(conn); len(got) != 0 {
		t.Errorf("got %q, want a closed connection without an answer", got)
	}
}

func TestListenTaken(t *testing.T) {
	b := newSetup().start(t)
	s := newSetup()
	s.config.Addr = b.addr
	core := s.newServer(t)
	if err := core.Listen(); err == nil || !strings.HasPrefix(err.Error(), "ingress.addr: ") {
		t.Errorf("got %v, want an error that names ingress.addr", err)
	}
	if err := core.Serve(); err == nil {
		t.Error("serve before listen: got nil, want an error")
	}
}

// TestListenOnly: a server that never served gives its port back.
func TestListenOnly(t *testing.T) {
	s := newSetup().newServer(t)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("the port still takes connections")
	}
}
