// Package ingress serves the HTTP side of the bridge: it authenticates the requests of Treble,
// parses their bodies, hands the deliveries to an [Accepter], and answers. [Server] is the public
// listener; package ops has the one for operators.
//
// A request passes, in this order: its route (404, 405), authentication (401),
// the number of requests in flight (429), reading the body (408, 413), parsing
// (400, 415, 422), and accepting (200, 413, 503, 504).
// Authentication comes first of what looks at the request itself, so that an
// outsider learns nothing but the paths; and before the body is read.
package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// Accepter takes what a request carried.
type Accepter interface {
	// Accept returns nil if every event of the delivery is kept as the
	// promise of the bridge says. Else none is, and the error says how sure
	// that is: delivery.ErrUnavailable, delivery.ErrTooLarge (nothing was kept),
	// delivery.ErrOutcomeUnknown, or delivery.ErrNoAnswer, after which the
	// connection is closed without a reply. A delivery with a Rejection goes to the
	// quarantine; Accept returns when it is kept on the way there, and an error says
	// that it is not.
	//
	// The context ends after Config.AcceptTimeout, or a little before, and not when the
	// client goes away; Accept must return then. It is called by many requests at
	// once. The delivery is not changed after the call, and may be kept.
	Accept(ctx context.Context, d delivery.Delivery) error
}

// Server is the public listener: it takes what Treble sends. Make it with New,
// then call Listen, Serve and, once, Shutdown. Its methods may be called at the same time.
type Server struct {
	*listen.Server
	http    *http.Server // behind it
	common  *common
	current atomic.Pointer[snapshot]
	tls     *listen.TLS // nil: plain HTTP
}

// common has the parts that all snapshots of a server share.
type common struct {
	accepter    Accepter
	log         *zap.Logger
	metrics     *metrics
	connections *connections.Bounds
	uses        uses
	since       time.Time
	refusals    refusals
}

// New returns a server of the given sources. It validates the configuration,
// reads the files with secrets and certificates, and registers its metrics with reg. The error
// lists every problem by its key.
func New(cfg Config, sources []SourceConfig, accepter Accepter, log *zap.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := errors.Join(cfg.Validate(), ValidateSources(sources)); err != nil {
		return nil, err
	}
	m := newMetrics()
	most, descriptors := connections.WithinDescriptors(cfg.MaxConnections)
	if most < cfg.MaxConnections {
		log.Warn("ingress.max_connections is lowered to half of the file descriptors that the process may have open: raise that limit (ulimit -n, LimitNOFILE=)",
			zap.Int("max_connections", most), zap.Uint64("descriptors", descriptors))
	}
	bounds := connections.New(most, cfg.MaxConnectionsPerAddress, connections.Dropped(m.connections, log))
	s := &Server{common: &common{accepter: accepter, log: log, metrics: m, connections: bounds, since: time.Now()}}
	first, err := s.snapshot(cfg, sources)
	if err != nil {
		return nil, err
	}
	first.begin(nil)
	s.current.Store(first)
	unserved := connections.NewUnserved(m.connections, log)
	front, err := s.front(cfg, unserved)
	if err != nil {
		return nil, err
	}
	if err := m.register(reg, s.certificateExpiry()...); err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler:           unserved.Handler(http.HandlerFunc(s.serveHTTP)),
		ConnContext:       unserved.Context,
		ConnState:         unserved.State,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		// Headers and body. net/http lifts it once the body is there, so it
		// does not run while Accept is at work.
		ReadTimeout: cfg.BodyTimeout,
		// A bound for answers that net/http gives itself; ours set their own,
		// see write, since this one counts from the headers on.
		WriteTimeout:                 cfg.BodyTimeout + cfg.AcceptTimeout + replyTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxHeaderBytes:               listen.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is a 404 like any other path
		ErrorLog:                     connections.ErrorLog(log.Named("http")),
		TLSConfig:                    &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, // for HTTP/2; the front has its own
		HTTP2:                        http2Config(),
		// No BaseContext: were it the one that a signal ends, the signal
		// would end the requests in work.
	}
	s.Server = listen.NewServer(listen.Options{
		Key: "ingress.addr", Addr: cfg.Addr, HTTP: s.http, Connections: bounds, Front: front, Watch: unserved.Listener,
	})
	return s, nil
}

// serveHTTP takes the snapshot of now, once: a request is handled to its end with what counted
// when it came.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.current.Load().router.ServeHTTP(w, r)
}

// Credentials returns what lets requests in, and when it last did.
func (s *Server) Credentials() ops.CredentialsStatus { return s.current.Load().credentials() }

// asProblem returns the problem in err; an error of echo's router has a status,
// any other is an internal one.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var h *echo.HTTPError
	if errors.As(err, &h) {
		switch h.Code {
		case http.StatusNotFound:
			return notFound()
		case http.StatusMethodNotAllowed:
			return methodNotAllowed()
		}
	}
	return internalError(err)
}

// front returns what makes connections ready for HTTP, and reads the certificate.
func (s *Server) front(cfg Config, unserved *connections.Unserved) (*listen.Front, error) {
	f := &listen.Front{Timeout: cfg.HeaderTimeout, Refused: unserved.Refused}
	var err error
	if f.Proxies, err = auth.ParseNetworks(cfg.ProxyProtocol); err != nil {
		return nil, fmt.Errorf("ingress.proxy_protocol: %w", err)
	}
	if cfg.TLS.Enabled() {
		if s.tls, err = listen.NewTLS(cfg.TLS, s.common.log); err != nil {
			return nil, err
		}
		f.TLS = s.tls
	}
	return f, nil
}

// http2Config bounds what a connection of HTTP/2 may hold in memory before a handler reads it.
func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          16,
		MaxReadFrameSize:              int(16 * value.KiB),
		MaxReceiveBufferPerConnection: int(128 * value.KiB),
		MaxReceiveBufferPerStream:     int(64 * value.KiB),
	}
}

// certificateExpiry is a metric, of a listener with TLS.
func (s *Server) certificateExpiry() []prometheus.Collector {
	if s.tls == nil {
		return nil
	}
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the public listener expires, the first of several; 0 while there is none.",
	}, func() float64 {
		if until := s.tls.Expiry(); !until.IsZero() {
			return float64(until.UnixMilli()) / float64(time.Second/time.Millisecond)
		}
		return 0
	})}
}
