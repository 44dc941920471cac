package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
	"golang.org/x/crypto/acme"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/connections"
)

// Front makes connections ready for net/http: it reads the header of the PROXY protocol, where a
// balancer sends one, and does the TLS handshake. Each connection is waited for on its own, so that
// none holds up another.
type Front struct {
	TLS     *TLS                                 // nil: none
	Proxies []netip.Prefix                       // peers whose PROXY header is believed; of others nothing is read
	Timeout time.Duration                        // for the header, and for the handshake
	Refused func(reason string, remote net.Addr) // is told of each connection that does not get ready
}

// Needed reports whether there is anything to do for a connection.
func (f *Front) Needed() bool { return f.TLS != nil || len(f.Proxies) > 0 }

// Listener returns l with connections that are ready: as they are, or a *tls.Conn. Each has a
// method NetConn that leads to the connection of l, unless it is that one.
func (f *Front) Listener(l net.Listener) net.Listener {
	w := &waiting{Listener: l, front: f, ready: make(chan net.Conn), failed: make(chan error)}
	w.ctx, w.stop = context.WithCancel(context.Background())
	if f.TLS != nil {
		f.TLS.Start()
	}
	go w.acceptAll()
	return w
}

// waiting is a listener whose connections become ready side by side.
type waiting struct {
	net.Listener
	front  *Front
	ready  chan net.Conn
	failed chan error
	ctx    context.Context // ends at Close
	stop   context.CancelFunc
}

func (w *waiting) Accept() (net.Conn, error) {
	select {
	case conn := <-w.ready:
		return conn, nil
	case err := <-w.failed:
		return nil, err
	case <-w.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and the connections that are not ready.
func (w *waiting) Close() error {
	w.stop()
	return w.Listener.Close()
}

func (w *waiting) acceptAll() {
	for w.ctx.Err() == nil {
		conn, err := w.Listener.Accept()
		if err == nil {
			go w.prepare(conn)
			continue
		}
		select {
		case w.failed <- err: // net/http waits a moment after one that is temporary
		case <-w.ctx.Done():
		}
	}
}

func (w *waiting) prepare(conn net.Conn) {
	unwatch := context.AfterFunc(w.ctx, func() { _ = conn.Close() })
	ready, err := w.front.prepare(w.ctx, conn)
	unwatch()
	if err != nil {
		_ = conn.Close()
		return
	}
	select {
	case w.ready <- ready:
	case <-w.ctx.Done():
		_ = conn.Close()
	}
}

// errAnswered: the connection was only for the ACME server.
var errAnswered = errors.New("the challenge is answered")

func (f *Front) prepare(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if f.believes(conn.RemoteAddr()) {
		p := proxied{proxyproto.NewConn(conn, proxyproto.WithPolicy(proxyproto.USE), proxyproto.SetReadHeaderTimeout(f.Timeout))}
		if _, err := p.Read(nil); err != nil { // reads the header alone
			f.refuse(connections.ReasonProxyHeader, conn.RemoteAddr(), err)
			return nil, err
		}
		conn = p
	}
	if f.TLS == nil {
		return conn, nil
	}
	encrypted := tls.Server(conn, f.TLS.config())
	_ = conn.SetDeadline(time.Now().Add(f.Timeout))
	if err := encrypted.HandshakeContext(ctx); err != nil {
		f.refuse(reasonOf(err), conn.RemoteAddr(), err)
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	if encrypted.ConnectionState().NegotiatedProtocol == acme.ALPNProto {
		return nil, errAnswered
	}
	return encrypted, nil
}

// believes reports whether a PROXY header of a peer is believed.
func (f *Front) believes(peer net.Addr) bool {
	return auth.Contains(f.Proxies, auth.ParseAddr(peer.String()))
}

// refuse logs a connection that failed before its first request. One that ends without a byte is a health check of a
// balancer.
func (f *Front) refuse(reason string, remote net.Addr, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	f.Refused(reason, remote)
}

// reasonOf says why a handshake failed. To a client that speaks HTTP it says so in HTTP.
func reasonOf(err error) string {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil || !looksLikeHTTP(record.RecordHeader) {
		return connections.ReasonHandshake
	}
	_, _ = io.WriteString(record.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nThis port speaks HTTPS: use https://\n")
	return connections.ReasonPlaintext
}

func looksLikeHTTP(begins [5]byte) bool {
	for _, method := range []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "PRI *"} {
		if strings.HasPrefix(string(begins[:]), method) {
			return true
		}
	}
	return false
}

// proxied is a connection whose addresses are those of a PROXY header.
type proxied struct{ *proxyproto.Conn }

// NetConn is the connection itself.
func (p proxied) NetConn() net.Conn { return p.Raw() }

// CloseWrite lets net/http end a connection so that the answer arrives.
func (p proxied) CloseWrite() error { return connections.CloseWrite(p.Raw()) }
