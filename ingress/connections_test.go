package ingress_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

const (
	authorized = "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + token + "\r\n"
	begun      = "POST /webhook HTTP/1.1\r\nHost: h\r\nX: y" // headers without an end
)

// exchange writes a request to a connection and returns the answer.
func exchange(t *testing.T, conn net.Conn, in *bufio.Reader, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp
}

func goodRequest() string {
	return authorized + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(read), read)
}

// isClosed waits until the server has closed a connection.
func isClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	for {
		if _, err := conn.Read(make([]byte, 512)); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the connection is still open")
			}
			return
		}
	}
}

// TestNewConnectionTakesThePlaceOfAnUselessOne: whatever fills the connections, a good sender comes
// through.
func TestNewConnectionTakesThePlaceOfAnUselessOne(t *testing.T) {
	t.Parallel()
	const most = 20
	for _, tt := range []struct{ name, sent, dropped string }{
		{"nothing-sent", "", "waiting"},
		{"unfinished-headers", begun, "waiting"},
		{"slow-body", authorized + "Content-Length: 100\r\n\r\n{", "slow-body"},
		{"idle", goodRequest(), "idle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			s.config.MaxConnections = most
			b := s.start(t)
			var conns []net.Conn
			for range most {
				conn := dial(t, b.addr)
				io.WriteString(conn, tt.sent)
				conns = append(conns, conn)
			}
			done := fmt.Sprintf(`authentications_total{credential="bearer-1",source="default"} %d`, most)
			eventually(t, "all have come", func() bool {
				return tt.dropped == "waiting" || strings.Contains(b.metrics(t), done)
			})
			conn := dial(t, b.addr)
			if got := exchange(t, conn, bufio.NewReader(conn), goodRequest()).StatusCode; got != 200 {
				t.Errorf("got %d, want 200", got)
			}
			if tt.dropped == "waiting" {
				isClosed(t, conns[0]) // the oldest one
			} else {
				oneIsClosed(t, conns) // whose request came first, or was answered first
			}
			if want := fmt.Sprintf(`treble_bridge_connections_dropped_total{connection="%s"} 1`, tt.dropped); !strings.Contains(b.metrics(t), want) {
				t.Errorf("want %s in\n%s", want, b.metrics(t))
			}
		})
	}
}

// oneIsClosed waits until the bridge has closed one of several connections.
func oneIsClosed(t *testing.T, conns []net.Conn) {
	t.Helper()
	closed := make(chan error, len(conns))
	for _, conn := range conns {
		go func() {
			_, err := io.Copy(io.Discard, conn)
			closed <- err
		}()
	}
	if err := <-closed; errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("all connections are still open")
	}
}

// TestAddressBeyondItsShare: an address that has most of the connections loses its own, and takes none of
// others.
func TestAddressBeyondItsShare(t *testing.T) {
	s := newSetup()
	s.config.MaxConnections, s.config.MaxConnectionsPerAddress = 20, 15
	b := s.start(t)
	from := func(address string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		conn, err := d.Dial("tcp", b.addr)
		if err != nil {
			t.Skipf("a second address of loopback: %v", err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	others := []net.Conn{from("127.0.0.3"), from("127.0.0.3"), from("127.0.0.4")}
	for range 60 {
		from("127.0.0.2")
	}
	eventually(t, "some are dropped", func() bool {
		return strings.Contains(b.metrics(t), `treble_bridge_connections_dropped_total{connection="waiting"} 43`)
	})
	for _, conn := range append(others, from("127.0.0.5")) {
		if got := exchange(t, conn, bufio.NewReader(conn), goodRequest()).StatusCode; got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	}
}

// TestTrustedConnectionStays: no number of connections without a credential takes the one that
// has shown one, however long it was idle.
func TestTrustedConnectionStays(t *testing.T) {
	t.Parallel()
	s := newSetup()
	s.config.MaxConnections = 10
	b := s.start(t)
	good := dial(t, b.addr)
	in := bufio.NewReader(good)
	exchange(t, good, in, goodRequest())
	for range 50 {
		io.WriteString(dial(t, b.addr), begun)
	}
	eventually(t, "connections are dropped", func() bool {
		t.Log(regexp.MustCompile("dropped_total.*").FindAllString(b.metrics(t), -1))
		return strings.Contains(b.metrics(t), `treble_bridge_connections_dropped_total{connection="waiting"} 41`)
	})
	if got := exchange(t, good, in, goodRequest()).StatusCode; got != 200 {
		t.Errorf("got %d, want 200", got)
	}
}

// TestConnectionsAtWorkStay: where every connection is at work, it is the new one that is closed.
func TestConnectionsAtWorkStay(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newSetup()
	s.accepter.AcceptFn = func(context.Context, delivery.Delivery) error {
		<-release
		return nil
	}
	s.config.MaxConnections = 3
	b := s.start(t)
	var busy []net.Conn
	for range 3 {
		conn := dial(t, b.addr)
		io.WriteString(conn, goodRequest())
		busy = append(busy, conn)
	}
	eventually(t, "all are in work", func() bool { return len(b.accepter.got()) == 3 })
	isClosed(t, dial(t, b.addr))
	close(release)
	for _, conn := range busy {
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 200 {
			t.Errorf("got %v, %v; want 200", resp, err)
		}
	}
}

// TestConnectionEndsWithoutCredential: who shows none keeps no connection, and what it sent behind
// the request is not read.
func TestConnectionEndsWithoutCredential(t *testing.T) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /webhook HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
	} {
		b := newSetup().start(t)
		got := send(t, b, request+goodRequest())
		if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") {
			t.Errorf("%q: got %q, want one answer, and the end", request, got)
		}
	}
}

// TestHeadersAreCountedAnew: a hundred headers are a bound for each request of a connection.
func TestHeadersAreCountedAnew(t *testing.T) {
	b := newSetup().start(t)
	conn := dial(t, b.addr)
	in := bufio.NewReader(conn)
	full := strings.Replace(goodRequest(), "Host: h\r\n", "Host: h\r\n"+strings.Repeat("X: y\r\n", 97), 1) // 100 in all
	for range 3 {
		if got := exchange(t, conn, in, full).StatusCode; got != 200 {
			t.Fatalf("got %d, want 200", got)
		}
	}
	more := strings.Replace(full, "Host: h\r\n", "Host: h\r\nX: y\r\n", 1)
	if got := exchange(t, conn, in, more).StatusCode; got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("101 headers: got %d, want 431", got)
	}
}

// TestHeadersBytewise: what comes byte by byte is read as what comes at once.
func TestHeadersBytewise(t *testing.T) {
	b := newSetup().start(t)
	conn := dial(t, b.addr)
	for _, c := range []byte("POST /webhook HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n") {
		if _, err := conn.Write([]byte{c}); err != nil {
			break // it has been refused
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("got %q, want 400", answer)
	}
}

// TestBodyLinesAreNoHeaders: a body of many lines that comes with its headers is no mass of headers.
func TestBodyLinesAreNoHeaders(t *testing.T) {
	b := newSetup().start(t)
	body := "{" + strings.Repeat("\n", 1000) + `"Transfer-Encoding": 1, "session_id": "s1", "read_at": "2024-01-01 00:00:00"}`
	request := authorized + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	conn := dial(t, b.addr)
	in := bufio.NewReader(conn)
	for range 2 {
		if got := exchange(t, conn, in, request).StatusCode; got != 200 {
			t.Errorf("got %d, want 200", got)
		}
	}
}

// TestSlowBodyAtShutdown: a sender that does not go on does not make the shutdown fail, and what came
// of its body is kept as of one that broke off.
func TestSlowBodyAtShutdown(t *testing.T) {
	t.Parallel()
	b := newSetup().start(t) // its cleanup fails if Shutdown does
	conn := dial(t, b.addr)
	io.WriteString(conn, authorized+"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
	line := make([]byte, 25)
	if _, err := io.ReadFull(conn, line); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, `{"session_id":`)
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := b.Shutdown(ctx); err != nil {
		t.Errorf("got %v, want none", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := b.accepter.got(); len(got) != 1 || got[0].Rejection == nil || got[0].Rejection.Reason != schema.ReasonBodyIncomplete {
		t.Errorf("got %+v, want the beginning", got)
	}
}

// TestTrailerIsNotLogged: what a malformed trailer says is in no log.
func TestTrailerIsNotLogged(t *testing.T) {
	for _, sent := range []string{
		"0\r\ncanary 3161234567\r\n\r\n",
		"0\r\ncanary 3161234567: x\r\n\r\n",
		"2;canary=3161234567\r\n{}\r\n0\r\ncanary\x003161234567: x\r\n\r\n",
		"canary3161234567\r\n",
	} {
		b := newSetup().start(t)
		if got := send(t, b, authorized+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"+sent); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: got %q, want 400", sent, got)
		}
		eventually(t, "it is logged", func() bool { return strings.Contains(b.logs.String(), `"refused"`) })
		if log := b.logs.String(); strings.Contains(log, "canary") || strings.Contains(log, "3161234567") {
			t.Errorf("%q: the log has it: %s", sent, log)
		}
	}
}

// TestBodyRate: a body that trickles is answered 408 long before body_timeout.
func TestBodyRate(t *testing.T) {
	t.Parallel() // it takes its time
	s := newSetup()
	s.config.MinBodyRate = 1 << 20
	b := s.start(t)
	conn := dial(t, b.addr)
	began := time.Now()
	io.WriteString(conn, authorized+"Content-Length: 1000\r\n\r\n")
	answered := make(chan string, 1)
	go func() {
		answer, _ := io.ReadAll(conn)
		answered <- string(answer)
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case answer := <-answered:
			if took := time.Since(began); !strings.HasPrefix(answer, "HTTP/1.1 408 ") || took < 4*time.Second || took > 9*time.Second {
				t.Errorf("after %s: got %q, want 408 after 5 s", took, answer)
			}
			return
		case <-ticker.C:
			_, _ = io.WriteString(conn, "x")
		}
	}
}
