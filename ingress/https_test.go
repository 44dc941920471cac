package ingress_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate/certtest"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
)

// withTLS is a setup with a certificate for bridge.test, of an authority of its own.
func withTLS(t testing.TB) (setup, *certtest.Authority) {
	t.Helper()
	ca := certtest.New(t)
	s := newSetup()
	files := ca.Issue(t, "bridge.test")
	s.config.TLS.CertFile, s.config.TLS.KeyFile = files.Certificate, files.Key
	return s, ca
}

// trusting is a client's side of TLS, with the protocols of HTTP that it offers.
func trusting(ca *certtest.Authority, protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), ServerName: "bridge.test", NextProtos: protocols}
}

// postTLS posts an event on a connection of its own.
func (b *bridge) postTLS(t testing.TB, config *tls.Config) (answer, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: !slices.Equal(config.NextProtos, []string{"http/1.1"})}
	return tryBy(transport, newRequest(t, http.MethodPost, "https://"+b.addr+"/webhook", strings.NewReader(read)))
}

// roundTrip posts an event on the connection of a transport, and returns the status.
func (b *bridge) roundTrip(t testing.TB, transport *http.Transport) int {
	t.Helper()
	resp, err := transport.RoundTrip(newRequest(t, http.MethodPost, "https://"+b.addr+"/webhook", strings.NewReader(read)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// dialTLS opens a connection that fails the test rather than hang.
func (b *bridge) dialTLS(t testing.TB, config *tls.Config) *tls.Conn {
	t.Helper()
	conn := tls.Client(dial(t, b.addr), config)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestHTTPS(t *testing.T) {
	s, ca := withTLS(t)
	b := s.start(t)
	for protocol, want := range map[string]string{"h2": "HTTP/2.0", "http/1.1": "HTTP/1.1"} {
		a, err := b.postTLS(t, trusting(ca, protocol))
		if err != nil || a.status != http.StatusOK || a.proto != want || a.body != "{}" {
			t.Errorf("%s: got %s %d %q, %v; want %s 200 {}", protocol, a.proto, a.status, a.body, err, want)
		}
	}
	old := trusting(ca, "http/1.1")
	old.MinVersion, old.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 //nolint:gosec // it has to be refused
	if _, err := b.postTLS(t, old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if a, err := try(newRequest(t, http.MethodPost, "http://"+b.addr+"/webhook", strings.NewReader(read))); err != nil || a.status != http.StatusBadRequest || !strings.Contains(a.body, "https://") {
		t.Errorf("plain HTTP: got %d %q, %v; want 400 and what to do", a.status, a.body, err)
	}
	if got := len(b.accepter.got()); got != 2 {
		t.Errorf("%d deliveries, want 2", got)
	}
	b.wantMetrics(t, `requests_unserved_total{reason="plaintext"} 1`, `requests_unserved_total{reason="tls-handshake"} 1`, "certificate_expiry_timestamp_seconds 1.")
}

// What is refused before net/http sees it is refused in TLS too.
func TestHTTPSHeaders(t *testing.T) {
	s, ca := withTLS(t)
	b := s.start(t)
	for name, tt := range map[string]struct {
		headers string
		status  string
	}{
		"too-many":  {strings.Repeat("A: b\r\n", 101), "431"},
		"ambiguous": {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "400"},
		"good":      {"Content-Length: 2\r\nConnection: close\r\n", "401"},
	} {
		conn := b.dialTLS(t, trusting(ca, "http/1.1"))
		fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: bridge.test\r\n%s\r\n{}", tt.headers)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, " "+tt.status+" ") {
			t.Errorf("%s: got %q, %v, want %s", name, line, err, tt.status)
		}
	}
}

// A client that connects and says nothing holds up nobody, and loses its connection after
// header_timeout.
func TestHTTPSSilentClient(t *testing.T) {
	s, ca := withTLS(t)
	s.config.HeaderTimeout = 300 * time.Millisecond
	b := s.start(t)
	silent := dial(t, b.addr)
	if a, err := b.postTLS(t, trusting(ca)); err != nil || a.status != http.StatusOK {
		t.Errorf("beside a silent client: %d, %v", a.status, err)
	}
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent client: %v, want the end of its connection", err)
	}
}

// TestHTTPSAnswersNotTaken: of a client of HTTP/2 without a credential that takes no answer, all
// but a few requests are ended at once, since each one that waits costs memory.
func TestHTTPSAnswersNotTaken(t *testing.T) {
	s, ca := withTLS(t)
	// A signature, so that no answer comes, and no connection is ended, before all requests are there.
	s.sources[0].Auth.HMAC = auth.HMACConfig{Header: "X-Signature", Keys: []value.Secret{"0123456789abcdef0123456789abcdef"}}
	b := s.start(t)
	conn := b.dialTLS(t, trusting(ca, "h2"))
	framer := http2.NewFramer(conn, conn)
	fmt.Fprint(conn, http2.ClientPreface)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		t.Fatal(err)
	}
	var headers bytes.Buffer
	encoder := hpack.NewEncoder(&headers)
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "bridge.test"}, {":path", "/webhook"}, {"x-signature", strings.Repeat("0", 64)}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1], Sensitive: true}); err != nil {
			t.Fatal(err)
		}
	}
	const streams, waiting = 16, 4
	for i := range uint32(streams) {
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: headers.Bytes(), EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint32(streams) {
		if err := framer.WriteData(2*i+1, true, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	answered := 0
	for ended := 0; ended < streams-waiting; {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("%d of %d streams are ended: %v", ended, streams, err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			// With more, a thousand connections are 250 MiB before the first handler gets the processor.
			if most, ok := f.Value(http2.SettingMaxConcurrentStreams); !f.IsAck() && (!ok || most > streams) {
				t.Errorf("a connection may have %d requests at once, want %d", most, streams)
			}
		case *http2.HeadersFrame:
			answered++
		case *http2.RSTStreamFrame:
			ended++
		}
	}
	if answered > waiting {
		t.Errorf("%d answers wait, want %d at most", answered, waiting)
	}
	if a, err := b.postTLS(t, trusting(ca)); err != nil || a.status != http.StatusOK {
		t.Errorf("beside it: %d, %v", a.status, err)
	}
}

// A shutdown does not wait for handshakes.
func TestHTTPSShutdown(t *testing.T) {
	s, _ := withTLS(t)
	b := s.start(t)
	dial(t, b.addr) // and says nothing
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	if err := b.Shutdown(ctx); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("shutdown: %v after %s", err, time.Since(began))
	}
}

// A client certificate of the authority is verified, that of another refused, and none is fine
// where the source wants another secret.
func TestClientCertificates(t *testing.T) {
	s, ca := withTLS(t)
	clients, strangers := certtest.New(t), certtest.New(t)
	s.config.TLS.ClientCA = clients.File
	s.sources[0].Auth = auth.Config{Bearer: []value.Secret{"another-token-0000001"}, MTLS: auth.MTLSConfig{Subjects: []string{"treble"}}, Require: "bearer or mtls"}
	b := s.start(t)
	with := func(a *certtest.Authority, name string, change ...func(*x509.Certificate)) *tls.Config {
		c := trusting(ca)
		if a != nil {
			// Certificates would show only one whose authority the server names.
			cert := certtest.Load(t, a.Issue(t, name, change...))
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		return c
	}
	for name, tt := range map[string]struct {
		config *tls.Config
		status int // 0: no answer
	}{
		"none":         {with(nil, ""), http.StatusUnauthorized},
		"right":        {with(clients, "treble"), http.StatusOK},
		"another-name": {with(clients, "other"), http.StatusUnauthorized},
		"stranger":     {with(strangers, "treble"), 0},
		"expired":      {with(clients, "treble", certtest.Expired), 0},
	} {
		a, err := b.postTLS(t, tt.config)
		if a.status != tt.status || (err == nil) != (tt.status != 0) {
			t.Errorf("%s: got %d, %v, want %d", name, a.status, err, tt.status)
		}
	}
}

// The address in a PROXY header is the client's, if the balancer is one that is named; a header from
// another peer is no request.
func TestProxyProtocol(t *testing.T) {
	client, server := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	header := func(version byte) string {
		b, err := proxyproto.HeaderProxyFromAddrs(version, client, server).Format()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, tt := range map[string]struct {
		trusted []string
		header  string
		tls     bool
		status  string
	}{
		"v1":               {[]string{"127.0.0.0/8"}, header(1), false, "200"},
		"v2":               {[]string{"127.0.0.0/8"}, header(2), false, "200"},
		"in-front-of-tls":  {[]string{"127.0.0.1"}, header(2), true, "200"},
		"no-header":        {[]string{"127.0.0.0/8"}, "", false, "401"}, // the balancer itself is not allowed
		"off":              {nil, header(1), false, "400"},
		"another-balancer": {[]string{"10.0.0.0/8"}, header(1), false, "400"},
		"malformed":        {[]string{"127.0.0.0/8"}, "PROXY TCP4 nonsense\r\n", false, ""},
		"other-client":     {[]string{"127.0.0.0/8"}, strings.Replace(header(1), "203.0.113.7", "203.0.113.8", 1), false, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			s, ca := withTLS(t)
			if !tt.tls {
				s = newSetup()
			}
			s.config.ProxyProtocol = tt.trusted
			s.sources[0].Auth = auth.Config{IP: auth.IPConfig{Allow: []string{"203.0.113.7"}}}
			b := s.start(t)
			conn := dial(t, b.addr)
			_, _ = io.WriteString(conn, tt.header)
			if tt.tls {
				conn = tls.Client(conn, trusting(ca, "http/1.1"))
			}
			_, _ = io.WriteString(conn, goodRequest())
			line, _ := bufio.NewReader(conn).ReadString('\n')
			if tt.status == "" && line != "" || !strings.Contains(line, tt.status) {
				t.Errorf("got %q, want %q", line, tt.status)
			}
		})
	}
}

// A certificate that is renewed is that of the next handshake, and connections live on. One that
// cannot be used changes nothing.
func TestCertificateIsExchanged(t *testing.T) {
	s, ca := withTLS(t)
	files := certtest.Files{Certificate: s.config.TLS.CertFile, Key: s.config.TLS.KeyFile}
	b := s.start(t)
	serial := func() string {
		conn := b.dialTLS(t, trusting(ca, "http/1.1"))
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	kept := &http.Transport{TLSClientConfig: trusting(ca), ForceAttemptHTTP2: true}
	defer kept.CloseIdleConnections()
	post := func() {
		t.Helper()
		if got := b.roundTrip(t, kept); got != http.StatusOK {
			t.Errorf("got %d", got)
		}
	}
	post()
	first := serial()
	ca.IssueTo(t, files, "bridge.test")
	if got := serial(); got != first {
		t.Error("the certificate is another before it was taken over")
	}
	p, err := b.Prepare(s.config, s.sources)
	if err != nil {
		t.Fatal(err)
	}
	p.Apply()
	second := serial()
	if second == first {
		t.Error("the certificate is still the old one")
	}
	post() // on the connection of the first
	for name, spoil := range map[string]func(){
		"expired":   func() { ca.IssueTo(t, files, "bridge.test", certtest.Expired) },
		"other-key": func() { other := ca.Issue(t, "bridge.test"); copyFile(t, other.Key, files.Key) },
		"empty":     func() { copyFile(t, os.DevNull, files.Certificate) },
	} {
		spoil()
		if _, err := b.Prepare(s.config, s.sources); err == nil || !strings.Contains(err.Error(), "ingress.tls.cert_file") {
			t.Errorf("%s: got %v, want an error with the key", name, err)
		}
		if got := serial(); got != second {
			t.Errorf("%s: the certificate has changed", name)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Of the requests of HTTP/2 connections beyond the first of each, half as many have a place as connections; slow ones
// lose it to good ones.
func TestStreamsTakePlaces(t *testing.T) {
	t.Parallel()
	s, ca := withTLS(t)
	s.config.MaxConnections, s.config.MaxConnectionsPerAddress = 8, 0
	b := s.start(t)
	slow := &http.Transport{TLSClientConfig: trusting(ca), ForceAttemptHTTP2: true}
	defer slow.CloseIdleConnections()
	// The connection is there before: of many requests without one, some would open their own, and
	// each be the first of it.
	b.roundTrip(t, slow)
	var requests sync.WaitGroup
	defer requests.Wait()
	var refused atomic.Int32
	for range 16 { // as many as a connection may have
		body, feed := io.Pipe()
		defer feed.Close()
		req := newRequest(t, http.MethodPost, "https://"+b.addr+"/webhook", body)
		requests.Go(func() {
			resp, err := slow.RoundTrip(req)
			if err != nil {
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" {
				refused.Add(1)
			}
		})
		go func() { _, _ = feed.Write([]byte(`{"a":"`)) }() // ends with the pipe
	}
	eventually(t, "all that have no place are refused", func() bool { return refused.Load() >= 16-1-8/2 })
	// Two good requests on one connection: the second needs a place.
	good := &http.Transport{TLSClientConfig: trusting(ca), ForceAttemptHTTP2: true, ExpectContinueTimeout: time.Minute}
	defer good.CloseIdleConnections()
	body, feed := io.Pipe()
	defer feed.Close()
	first := newRequest(t, http.MethodPost, "https://"+b.addr+"/webhook", body)
	first.Header.Set("Expect", "100-continue") // nothing is written before its body is read, so that it is the first
	requests.Go(func() {
		if resp, err := good.RoundTrip(first); err == nil {
			_ = resp.Body.Close()
		}
	})
	if _, err := feed.Write([]byte(`{"a":"`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a good request finds a place", func() bool { return b.roundTrip(t, good) == http.StatusOK })
	b.wantMetrics(t, `connections_dropped_total{connection="slow-body"} 1`)
}
