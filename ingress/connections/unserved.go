package connections

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Unserved counts what net/http refuses by itself, before any handler, and without a word:
// headers that are too large, a line that is no request, the PROXY line of a balancer. A
// connection shows it: something is written, or it ends, after bytes came and
// before the handler was called.
type Unserved struct {
	log     *zap.Logger
	counted *prometheus.CounterVec
	pace    *PerSecond
}

// NewUnserved returns one that counts in m, and logs at most one line a second.
func NewUnserved(m *Metrics, log *zap.Logger) *Unserved {
	return &Unserved{log: log, counted: m.unserved, pace: NewPerSecond()}
}

// Listener returns l with connections that are watched. Those of Bounds are known again in Of.
func (u *Unserved) Listener(l net.Listener) net.Listener { return watchedListener{l, u} }

type watchedListener struct {
	net.Listener
	unserved *Unserved
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &watchedConn{Conn: conn, unserved: l.unserved, bounded: boundedOf(conn)}
	if encrypted, ok := conn.(*tls.Conn); ok {
		if encrypted.ConnectionState().NegotiatedProtocol == "h2" {
			return conn, nil // net/http wants it as it is, and bounds headers itself
		}
		return &watchedTLSConn{c, encrypted}, nil
	}
	return c, nil
}

// watchedTLSConn is a connection of HTTP/1.1 in TLS whose handshake is done.
type watchedTLSConn struct {
	*watchedConn
	encrypted *tls.Conn
}

// ConnectionState lets net/http set Request.TLS.
func (c *watchedTLSConn) ConnectionState() tls.ConnectionState { return c.encrypted.ConnectionState() }

// watched returns the connection of a listener that is watched, or nil.
func watched(conn any) *watchedConn {
	switch c := conn.(type) {
	case *watchedConn:
		return c
	case *watchedTLSConn:
		return c.watchedConn
	}
	return nil
}

// watchedConn is a connection of the public listener. net/http reads and writes it in
// several goroutines.
type watchedConn struct {
	net.Conn
	unserved *Unserved
	bounded  *Conn       // nil where connections are not bounded
	serving  atomic.Bool // a handler has been called for the request
	active   atomic.Bool // bytes of a request have come
	refused  atomic.Bool // and were refused
	ended    atomic.Bool // no more will come, or not in time

	background backgroundRead

	mu    sync.Mutex
	first []byte // of the connection, as many as tell what is spoken
	head  head   // of the request that is being read
}

func (c *watchedConn) Read(p []byte) (int, error) {
	if err := c.background.hold(len(p), c.serving.Load()); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.ended.Store(err != nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := len(proxyV2) - len(c.first); room > 0 {
		c.first = append(c.first, p[:min(n, room)]...)
	}
	if c.serving.Load() || c.refused.Load() {
		return n, err // of a body, or of what nobody will read
	}
	if reason := c.head.read(p[:n]); reason != "" {
		c.refuseHead(reason)
		return 0, io.EOF // net/http closes the connection without a word
	}
	return n, err
}

// SetReadDeadline is that of net.Conn.
func (c *watchedConn) SetReadDeadline(t time.Time) error {
	if !c.background.deadline(t) {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline is that of net.Conn.
func (c *watchedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close is that of net.Conn.
func (c *watchedConn) Close() error {
	c.background.close()
	return c.Conn.Close()
}

// refuseHead answers in place of net/http, which must not read on. Call it with mu held.
func (c *watchedConn) refuseHead(reason string) {
	status := headStatus[reason]
	c.refused.Store(true)
	c.unserved.count(reason, status[:3], c.RemoteAddr())
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(c.Conn, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%[1]s", status)
	_ = c.CloseWrite()
}

func (c *watchedConn) Write(p []byte) (int, error) {
	if !c.serving.Load() {
		status := statusOf(p)
		if c.ended.Load() && status == "400" {
			status = "" // of a request that ends too early net/http says that it is malformed
		}
		c.refuse(status)
	}
	return c.Conn.Write(p)
}

// CloseWrite lets net/http end a connection so that the answer arrives.
func (c *watchedConn) CloseWrite() error { return CloseWrite(c.Conn) }

// refuse counts and logs, once for a request. What came is not logged: it may be a secret.
func (c *watchedConn) refuse(status string) {
	if c.refused.Swap(true) {
		return
	}
	c.mu.Lock()
	reason := reasonOf(c.first, status)
	c.mu.Unlock()
	c.unserved.count(reason, status, c.RemoteAddr())
}

func (u *Unserved) count(reason, status string, remote net.Addr) {
	u.counted.WithLabelValues(reason).Inc()
	if more, ok := u.pace.Take(); ok {
		u.log.Warn("refused before it was a request",
			zap.String("reason", reason), zap.String("hint", hints[reason]), zap.String("status", status),
			zap.String("remote", remote.String()), zap.Int("more_since_the_last_line", more))
	}
}

// Refused counts, and logs at most once a second, what was refused before it came to
// net/http.
func (u *Unserved) Refused(reason string, remote net.Addr) { u.count(reason, "", remote) }

// Context has the form of http.Server.ConnContext.
func (u *Unserved) Context(ctx context.Context, c net.Conn) context.Context {
	if _, ok := c.(*tls.Conn); ok { // HTTP/2
		return context.WithValue(ctx, connKey{}, boundedOf(c))
	}
	return context.WithValue(ctx, connKey{}, c)
}

// Handler is the handler of the server: what comes here is served.
func (u *Unserved) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHTTP2(r) {
			// net/http hands this one on, in case that somebody wants to take the connection
			// over, and answers what it does not speak with a 505 else.
			w.Header().Set("Connection", "close")
			http.Error(w, "505 HTTP Version Not Supported: unsupported protocol version", http.StatusHTTPVersionNotSupported)
			return
		}
		c := r.Context().Value(connKey{})
		if conn := watched(c); conn != nil {
			conn.serve()
		} else if stream, _ := c.(*Conn); stream != nil { // one of several requests of HTTP/2
			stream.serveStream(next, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answerTimeout is the time that a client of HTTP/2 may take for an answer that no handler has timed.
const answerTimeout = 10 * time.Second

// serveStream serves a request of HTTP/2. It keeps its place until the client has taken the answer: net/http,
// to which it would be left, waits for each of them in a goroutine. Where too many wait already, the stream
// is reset.
func (b *Conn) serveStream(next http.Handler, w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	flush := func() { _ = control.Flush() } // an error says that the client is gone
	if !b.beginStream() {
		_ = control.SetWriteDeadline(time.Now().Add(answerTimeout))
		w.Header().Set("Retry-After", "1")
		http.Error(w, "429 Too Many Requests", http.StatusTooManyRequests)
		if !b.answer(flush) {
			panic(http.ErrAbortHandler)
		}
		return
	}
	defer b.endStream()
	b.whileWorking(func() { next.ServeHTTP(w, r) })
	if !b.answer(flush) {
		panic(http.ErrAbortHandler)
	}
}

// whileWorking calls serve, and keeps the connection its place meanwhile.
func (b *Conn) whileWorking(serve func()) {
	b.Move(Waiting, Working)
	defer b.Move(Working, Waiting)
	serve()
}

// isHTTP2 reports whether a request is what a connection of HTTP/2 without TLS begins with.
func isHTTP2(r *http.Request) bool {
	return r.Method == "PRI" && r.ProtoMajor == 2 && r.RequestURI == "*"
}

// State has the form of http.Server.ConnState.
func (u *Unserved) State(conn net.Conn, state http.ConnState) {
	c := watched(conn)
	if c == nil {
		return
	}
	switch state {
	case http.StateActive:
		c.active.Store(true)
	case http.StateIdle:
		served := c.serving.Swap(false)
		c.active.Store(false)
		c.ended.Store(false) // net/http ends a read of its own while it serves
		c.mu.Lock()
		c.head.reset()
		c.mu.Unlock()
		if served && c.bounded != nil {
			c.bounded.Move(Working, Waiting)
		}
	case http.StateClosed:
		if c.active.Load() && !c.serving.Load() {
			c.refuse("")
		}
	}
}

// serve notes that a handler is called for a request.
func (c *watchedConn) serve() {
	c.serving.Store(true)
	if c.bounded != nil {
		c.bounded.Move(Waiting, Working)
	}
}

// statusOf returns the status of an answer, or "".
func statusOf(answer []byte) string {
	_, rest, ok := bytes.Cut(answer, []byte(" "))
	if !ok || !bytes.HasPrefix(answer, []byte("HTTP/")) || len(rest) < 3 {
		return ""
	}
	return string(rest[:3])
}

// How a connection begins that speaks something else.
const (
	proxyV1  = "PROXY "
	proxyV2  = "\r\n\r\n\x00\r\nQUIT\n"
	tlsBegin = "\x16\x03"
	priLine  = "PRI * HTTP/2" // ".0", behind what is kept
)

func reasonOf(first []byte, status string) string {
	switch begins := string(first); {
	case strings.HasPrefix(begins, proxyV1), strings.HasPrefix(begins, proxyV2):
		return "proxy-protocol"
	case strings.HasPrefix(begins, tlsBegin):
		return "tls"
	case strings.HasPrefix(begins, priLine):
		return "http-2"
	}
	switch status {
	case "":
		return "incomplete"
	case "417":
		return "expectation"
	case "431":
		return "headers-too-large"
	case "501":
		return "transfer-encoding"
	case "505":
		return "http-version"
	}
	return "malformed"
}

// What is refused before net/http sees a connection; see Refused.
const (
	ReasonPlaintext   = "plaintext"
	ReasonHandshake   = "tls-handshake"
	ReasonProxyHeader = "proxy-header"
)

// What head finds.
const (
	reasonTooManyHeaders  = "too-many-headers"
	reasonAmbiguousLength = "ambiguous-length"
)

var headStatus = map[string]string{
	reasonTooManyHeaders:  "431 Request Header Fields Too Large",
	reasonAmbiguousLength: "400 Bad Request",
}

var hints = map[string]string{
	"proxy-protocol":      "a balancer speaks the PROXY protocol, and its address is not in ingress.proxy_protocol: name its network there, or switch the protocol off for this target",
	"tls":                 "the client speaks TLS, and this port does not: set ingress.tls, let what ends TLS for you stand before the bridge, or use http://",
	ReasonPlaintext:       "the client speaks HTTP without TLS, and this port speaks TLS: use https://",
	ReasonHandshake:       "the TLS handshake failed: no common version, an unknown server name, or a certificate that one side does not accept",
	ReasonProxyHeader:     "an address in ingress.proxy_protocol began with a malformed PROXY header",
	"http-2":              "the client speaks HTTP/2 without TLS, and the bridge HTTP/1.1: set the protocol of this target to HTTP/1.1 there",
	"incomplete":          "the headers ended too early, or did not come within ingress.header_timeout",
	"expectation":         "the header Expect asks for something else than 100-continue",
	"headers-too-large":   "request line and headers are more than 8 KiB",
	reasonTooManyHeaders:  "there are more than 100 headers",
	reasonAmbiguousLength: "there are a Content-Length and a Transfer-Encoding: what stands before the bridge must send one of them",
	"transfer-encoding":   "the Transfer-Encoding is not chunked",
	"http-version":        "the bridge speaks HTTP/1.1 and HTTP/1.0",
	"malformed":           "it is no request of HTTP, or a header is malformed",
}
