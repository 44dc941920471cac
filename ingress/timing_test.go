package ingress_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func TestUnauthorizedIsAnsweredWithoutItsBody(t *testing.T) {
	for _, tt := range []struct {
		setup     setup
		challenge string
		lines     []string
	}{
		{newSetup(), "Bearer", []string{"X-Note: none", "Authorization: Bearer wrong", "Authorization: Bearer ", "Authorization: Bearer " + token + "x"}},
		{signedSetup(), "", []string{"X-Note: none", "X-Hub-Signature-256: sha256=12", "X-Hub-Signature-256: " + strings.Repeat("0", 64)}},
	} {
		b := tt.setup.start(t)
		bodies := map[string]bool{}
		for _, line := range tt.lines {
			conn := dial(t, b.addr)
			fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: bridge\r\n%s\r\nContent-Length: 1000\r\n\r\n", line)
			a := readAnswer(t, conn)
			if a.status != 401 || a.header.Get("Www-Authenticate") != tt.challenge || !a.closes {
				t.Errorf("%q: got %d, challenge %q, closes %v; want 401, %q, true", line, a.status, a.header.Get("Www-Authenticate"), a.closes, tt.challenge)
			}
			bodies[a.body] = true
		}
		if len(bodies) != 1 {
			t.Errorf("got different bodies %v, want the same for every cause", bodies)
		}
		if n := len(b.accepter.got()); n != 0 {
			t.Errorf("got %d deliveries, want 0", n)
		}
	}
}

func TestTooLargeIsAnsweredWithoutItsBody(t *testing.T) {
	t.Parallel()
	b := newSetup().start(t)
	conn := dial(t, b.addr)
	io.WriteString(conn, head(token, 1<<30))
	if a := readAnswer(t, conn); a.status != 413 || a.problem(t)["size"] != float64(1<<30) {
		t.Errorf("got %d %s, want 413 with the size", a.status, a.body)
	}
}

// TestTimeouts: a connection that does not go on is closed, and what came of a body is kept.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		set        func(*ingress.Config)
		answer     string // its beginning
		metric     string
		kept       string
	}{
		{"headers", "POST /webhook HTTP/1.1\r\nHost: bri", func(c *ingress.Config) { c.HeaderTimeout = 50 * time.Millisecond },
			"", `requests_unserved_total{reason="incomplete"} 1`, ""},
		{"body", head(token, 1000) + `{"read_at":`, func(c *ingress.Config) { c.BodyTimeout = 100 * time.Millisecond },
			"HTTP/1.1 408 ", `outcome="body-timeout",source="default"} 1`, `{"read_at":`},
		{"idle", goodRequest(), func(c *ingress.Config) { c.IdleTimeout = 50 * time.Millisecond },
			"HTTP/1.1 200 ", `outcome="accepted",source="default"} 1`, read},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup()
			tt.set(&s.config)
			b := s.start(t)
			conn := dial(t, b.addr)
			io.WriteString(conn, tt.sent)
			got, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(got), tt.answer) || tt.answer == "" && len(got) > 0 {
				t.Errorf("got %q, %v; want %q, and the connection closed by the server", got, err, tt.answer)
			}
			b.awaitMetric(t, tt.metric)
			kept := ""
			for _, d := range b.accepter.got() {
				kept += string(d.Body)
				if refused := d.Rejection != nil && d.Rejection.Reason == schema.ReasonBodyIncomplete; refused != (tt.name == "body") {
					t.Errorf("refused as incomplete: %v", refused)
				}
			}
			if kept != tt.kept {
				t.Errorf("kept: got %q, want %q", kept, tt.kept)
			}
		})
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
	var answers []<-chan answer
	for range n {
		answers = append(answers, b.postLater(t, read))
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
	for _, later := range answers {
		if a := <-later; a.status != 200 || a.body != "{}" || !a.closes {
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
