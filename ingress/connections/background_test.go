package connections

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// handshakes does the TLS handshake of the connections that it accepts, as what stands before Unserved does.
type handshakes struct {
	net.Listener
	config *tls.Config
}

func (l handshakes) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	encrypted := tls.Server(conn, l.config)
	return encrypted, encrypted.Handshake()
}

// served is a server behind the layers of this package.
type served struct {
	bounds *Bounds
	conns  chan *watchedConn
	calls  calls
	dial   func(*testing.T) net.Conn
}

// serve serves with the timeouts that the ingress has.
func serve(t *testing.T, encrypted bool, handler http.HandlerFunc) *served {
	t.Helper()
	s := &served{bounds: New(10, 0, func(string) {}), conns: make(chan *watchedConn, 10)}
	bound, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.dial = func(t *testing.T) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", bound.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if encrypted {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	l := s.bounds.Listener(countedListener{bound, &s.calls})
	if encrypted {
		certificates := httptest.NewTLSServer(nil)
		defer certificates.Close()
		l = handshakes{l, &tls.Config{Certificates: certificates.TLS.Certificates}}
	}
	u := NewUnserved(NewMetrics("test"), zap.NewNop())
	server := &http.Server{
		Handler: u.Handler(handler), ConnState: u.State,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			s.conns <- watched(conn)
			return u.Context(ctx, conn)
		},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 44 * time.Second, IdleTimeout: time.Minute,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(u.Listener(l)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

func (b *backgroundRead) waits() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting
}

func (c *Bounds) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open.Len()
}

// post is a request with a body.
func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// expectAnswer reads the answer to a request, which is its body.
func expectAnswer(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != want || err != nil {
		t.Errorf("answer %q, %v; want %q", body, err, want)
	}
}

// held is a handler that answers with the body when it is told to.
type held struct{ begun, answer chan struct{} }

func newHeld() held { return held{make(chan struct{}), make(chan struct{})} }

func (h held) handle(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.begun <- struct{}{}
	<-h.answer
	_, _ = w.Write(body)
}

// both runs a test with TLS and without.
func both(t *testing.T, test func(t *testing.T, encrypted bool)) {
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", encrypted), func(t *testing.T) { test(t, encrypted) })
	}
}

// TestBackgroundReadWaits: while a request is handled, net/http's read in the background asks the operating
// system for nothing, and from one request to the next no deadline is moved there. If this fails with another
// version of Go, that one reads or sets deadlines in another way, and the bridge loses time but nothing else.
func TestBackgroundReadWaits(t *testing.T) {
	both(t, func(t *testing.T, encrypted bool) {
		h := newHeld()
		s := serve(t, encrypted, h.handle)
		client := s.dial(t)
		answers := bufio.NewReader(client)
		var conn *watchedConn
		var reads, deadlines int64
		const requests = 20
		for i := range requests + 1 {
			body := fmt.Sprint("request ", i)
			_, _ = io.WriteString(client, post(body))
			<-h.begun
			if conn == nil {
				conn = <-s.conns
			}
			eventually(t, "the read in the background waits", conn.background.waits)
			if i == 0 { // what a connection costs does not count
				reads, deadlines = s.calls.reads.Load(), s.calls.deadlines()
			}
			h.answer <- struct{}{}
			expectAnswer(t, answers, body)
		}
		if n := s.calls.reads.Load() - reads; n > requests*3/2 {
			t.Errorf("%d reads for %d requests, want one for each", n, requests)
		}
		if n := s.calls.deadlines() - deadlines; n > 2 {
			t.Errorf("%d deadlines were set for %d requests, want none", n, requests)
		}
	})
}

// TestBackgroundReadPipelined: a request that comes while the one before is handled is answered after it.
func TestBackgroundReadPipelined(t *testing.T) {
	both(t, func(t *testing.T, encrypted bool) {
		h := newHeld()
		client := serve(t, encrypted, h.handle).dial(t)
		answers := bufio.NewReader(client)
		_, _ = io.WriteString(client, post("first"))
		<-h.begun
		_, _ = io.WriteString(client, post("second")+post("third"))
		for _, body := range []string{"first", "second", "third"} {
			h.answer <- struct{}{}
			expectAnswer(t, answers, body)
			if body != "third" {
				<-h.begun
			}
		}
	})
}

// TestBackgroundReadClientGone: a client that goes away while its request is handled changes nothing for the
// handler; then its connection is closed, and gives its place back.
func TestBackgroundReadClientGone(t *testing.T) {
	both(t, func(t *testing.T, encrypted bool) {
		h := newHeld()
		s := serve(t, encrypted, h.handle)
		client := s.dial(t)
		_, _ = io.WriteString(client, post("body"))
		<-h.begun
		_ = client.Close()
		if n := s.bounds.count(); n != 1 {
			t.Errorf("%d connections have a place while the request is handled, want 1", n)
		}
		h.answer <- struct{}{}
		eventually(t, "the place is given back", func() bool { return s.bounds.count() == 0 })
	})
}

// TestBackgroundReadClosed: a connection that is closed under its request, as at the end of a shutdown or for its
// place, does not keep the server's goroutine.
func TestBackgroundReadClosed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		close func(*watchedConn) error
	}{
		{"by_net_http", func(c *watchedConn) error { return c.Close() }},
		{"for_its_place", func(c *watchedConn) error { return c.bounded.Close() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHeld()
			s := serve(t, false, h.handle)
			client := s.dial(t)
			_, _ = io.WriteString(client, post("body"))
			<-h.begun
			conn := <-s.conns
			eventually(t, "the read in the background waits", conn.background.waits)
			if err := tc.close(conn); err != nil {
				t.Error(err)
			}
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the client reads %v, want EOF", err)
			}
			h.answer <- struct{}{}
			eventually(t, "the read is over", func() bool { return !conn.background.waits() })
		})
	}
}

// TestBackgroundReadGoesOn: whatever is done to a connection but what net/http does today sends the read that
// waits to the connection.
func TestBackgroundReadGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(c *watchedConn)
		want error
	}{
		{"interrupted", func(c *watchedConn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"deadline_ahead", func(c *watchedConn) { _ = c.SetReadDeadline(time.Now().Add(time.Hour)) }, nil},
		{"deadline_just_over", func(c *watchedConn) { _ = c.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		{"both_deadlines", func(c *watchedConn) { _ = c.SetDeadline(time.Now().Add(time.Hour)) }, nil},
		{"another_read", func(c *watchedConn) { _, _ = c.Read(make([]byte, 2)) }, nil},
		{"closed", func(c *watchedConn) { _ = c.Close() }, io.ErrClosedPipe},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded, _, peer := pipe(t)
			go func() { _, _ = io.WriteString(peer, strings.Repeat("x", 3)) }()
			c := &watchedConn{Conn: bounded}
			c.serving.Store(true)
			_ = c.SetReadDeadline(time.Time{})
			read := make(chan error)
			go func() {
				_, err := c.Read(make([]byte, 1))
				read <- err
			}()
			eventually(t, "the read waits", c.background.waits)
			tc.do(c)
			if err := <-read; !errors.Is(err, tc.want) {
				t.Errorf("the read returns %v, want %v", err, tc.want)
			}
		})
	}
	for _, tc := range []struct {
		name     string
		deadline time.Time
		size     int
		serving  bool
	}{
		{"of_a_body", time.Time{}, 2, true},
		{"with_a_deadline", time.Now().Add(time.Hour), 1, true},
		{"before_a_handler", time.Time{}, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded, _, peer := pipe(t)
			go func() { _, _ = io.WriteString(peer, "xx") }()
			c := &watchedConn{Conn: bounded}
			c.serving.Store(tc.serving)
			_ = c.SetReadDeadline(tc.deadline)
			if n, err := c.Read(make([]byte, tc.size)); n != tc.size || err != nil {
				t.Errorf("read %d bytes, %v; want %d", n, err, tc.size)
			}
		})
	}
}
