//go:build attack

package attack

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestAttackTLS is TestAttackMemory for what TLS and HTTP/2 add.
func TestAttackTLS(t *testing.T) {
	ca := certtest.New(t)
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "bridge.test", MinVersion: tls.VersionTLS12}
	for _, tt := range []attack{
		nothing,
		{"silent-before-handshake", func(_ *testing.T, addr string) { hold(addr, 2000, length, "", time.Second, "") }},
		{"half-a-handshake", func(_ *testing.T, addr string) {
			hold(addr, 2000, length, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", time.Second, "y")
		}},
		{"handshakes", func(_ *testing.T, addr string) {
			during(length, 4, func() {
				if conn, err := tls.Dial("tcp", addr, client); err == nil {
					_ = conn.Close()
				}
			})
		}},
		{"slow-bodies", func(_ *testing.T, addr string) {
			holdTLS(addr, client, 1000, head("Content-Length: 100000\r\n")+`{"a":"`+strings.Repeat("x", 30<<10))
		}},
		{"slow-streams", func(_ *testing.T, addr string) { slowStreams(addr, client, 20, 100) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := ca.Issue(t, "bridge.test")
			p := bridge.Serve(t, "TREBLE_BRIDGE_INGRESS_TLS_CERT_FILE="+files.Certificate, "TREBLE_BRIDGE_INGRESS_TLS_KEY_FILE="+files.Key)
			underTLS(t, p, client, tt.run)
		})
	}
}

// handshakesEach is the difference between the pauses of two attackers before their handshakes: the
// attackers of this test and the bridge share two processors, and a handshake costs both the same.
const handshakesEach = 5 * time.Millisecond

// holdTLS opens n connections that send the beginning of a request and no more, again and again when they
// are closed.
func holdTLS(addr string, client *tls.Config, n int, first string) {
	until := time.Now().Add(length)
	together(n, func(i int) {
		time.Sleep(time.Duration(i) * handshakesEach)
		for time.Now().Before(until) {
			dialer := &net.Dialer{Deadline: until}
			conn, err := tls.DialWithDialer(dialer, "tcp", addr, client)
			if err != nil {
				time.Sleep(4 * again)
				continue
			}
			_ = conn.SetDeadline(until)
			_, _ = io.WriteString(conn, first)
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
			time.Sleep(4 * again)
		}
	})
}

// slowStreams opens connections of HTTP/2, each with as many requests as it may have, whose bodies begin and
// do not end.
func slowStreams(addr string, client *tls.Config, connections, each int) {
	until := time.Now().Add(length)
	together(connections, func(i int) {
		time.Sleep(time.Duration(i) * 20 * handshakesEach)
		transport := &http.Transport{TLSClientConfig: client.Clone(), ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		together(each, func(i int) {
			for time.Now().Before(until) {
				body, feed := io.Pipe()
				stop := time.AfterFunc(time.Until(until), func() { _ = feed.CloseWithError(io.ErrUnexpectedEOF) })
				go func() { _, _ = fmt.Fprintf(feed, `{"a":"%s`, strings.Repeat("x", 30<<10)) }()
				req, err := http.NewRequest(http.MethodPost, "https://"+addr+"/webhook", body)
				if err != nil {
					panic(err) // the address is ours
				}
				req.Header.Set("Authorization", "Bearer "+bridge.Token)
				if resp, err := transport.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
				}
				stop.Stop()
				_ = feed.Close()
				time.Sleep(4 * again)
			}
		})
	})
}
