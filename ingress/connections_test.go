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
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/schema"
)

const begun = "POST /webhook HTTP/1.1\r\nHost: h\r\nX: y" // headers without an end

// exchange writes a request to a connection and returns the answer.
func exchange(t *testing.T, conn net.Conn, in io.Reader, request string) answer {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	return readAnswer(t, in)
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
		{"slow-body", head(token, 100) + "{", "slow-body"},
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
				return tt.dropped == "waiting" || b.has(t, done)
			})
			conn := dial(t, b.addr)
			if got := exchange(t, conn, conn, goodRequest()).status; got != 200 {
				t.Errorf("got %d, want 200", got)
			}
			if tt.dropped == "waiting" {
				isClosed(t, conns[0]) // the oldest one
			} else {
				oneIsClosed(t, conns) // whose request came first, or was answered first
			}
			b.wantMetrics(t, fmt.Sprintf(`treble_bridge_connections_dropped_total{connection="%s"} 1`, tt.dropped))
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
	b.awaitMetric(t, `treble_bridge_connections_dropped_total{connection="waiting"} 43`)
	for _, conn := range append(others, from("127.0.0.5")) {
		if got := exchange(t, conn, conn, goodRequest()).status; got != 200 {
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
	b.awaitMetric(t, `treble_bridge_connections_dropped_total{connection="waiting"} 41`)
	if got := exchange(t, good, in, goodRequest()).status; got != 200 {
		t.Errorf("got %d, want 200", got)
	}
}

func TestNewConnectionIsClosedWhereAllAreAtWork(t *testing.T) {
	t.Parallel()
	h := newHeld()
	s := newSetup()
	s.accepter.AcceptFn = h.accept
	s.config.MaxConnections = 3
	b := s.start(t)
	var busy []net.Conn
	for range 3 {
		conn := dial(t, b.addr)
		io.WriteString(conn, goodRequest())
		busy = append(busy, conn)
	}
	for range busy {
		<-h.inside
	}
	isClosed(t, dial(t, b.addr))
	close(h.release)
	for _, conn := range busy {
		if got := readAnswer(t, conn).status; got != 200 {
			t.Errorf("got %d, want 200", got)
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
		got := b.sendRaw(t, request+goodRequest())
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
	full := strings.Replace(goodRequest(), "\r\n", "\r\n"+strings.Repeat("X: y\r\n", 96), 1) // 100 in all
	for range 3 {
		if got := exchange(t, conn, in, full).status; got != 200 {
			t.Fatalf("got %d, want 200", got)
		}
	}
	more := strings.Replace(full, "\r\n", "\r\nX: y\r\n", 1)
	if got := exchange(t, conn, in, more).status; got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("101 headers: got %d, want 431", got)
	}
}

func TestHeadersByteByByteAreReadAsAtOnce(t *testing.T) {
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

func TestBodyLinesAreNoHeaders(t *testing.T) {
	b := newSetup().start(t)
	body := "{" + strings.Repeat("\n", 1000) + `"Transfer-Encoding": 1, "session_id": "s1", "read_at": "2024-01-01 00:00:00"}`
	request := authorized + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	conn := dial(t, b.addr)
	in := bufio.NewReader(conn)
	for range 2 {
		if got := exchange(t, conn, in, request).status; got != 200 {
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
	if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
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

func TestTrailerIsNotLogged(t *testing.T) {
	for _, sent := range []string{
		"0\r\ncanary 3161234567\r\n\r\n",
		"0\r\ncanary 3161234567: x\r\n\r\n",
		"2;canary=3161234567\r\n{}\r\n0\r\ncanary\x003161234567: x\r\n\r\n",
		"canary3161234567\r\n",
	} {
		b := newSetup().start(t)
		if got := b.sendRaw(t, authorized+"Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"+sent); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q: got %q, want 400", sent, got)
		}
		b.awaitLog(t, `"refused"`)
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
	io.WriteString(conn, head(token, 1000))
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
