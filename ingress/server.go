package ingress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"time"

	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/connections"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"
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
// then call Listen, Serve and, once, Shutdown.
type Server struct {
	listener
	config    Config
	accepter  Accepter
	log       *zap.Logger
	metrics   *metrics
	sources   []*source
	slots     chan struct{} // one element for each request in flight
	deadlines deadlines
	bodies    *semaphore.Weighted // bytes of bodies
	memory    *semaphore.Weighted // bytes that requests in work need beside their bodies

	proxies     auth.Proxies
	operators   []netip.Prefix
	failures    *auth.Failures
	uses        uses
	needsClient bool // a source asks for the address of the client
	since       time.Time
	refusals    refusals
}

// New returns a server of the given sources. It validates the configuration,
// reads the files with secrets, and registers its metrics with reg. The error
// lists every problem by its key.
func New(cfg Config, sources []SourceConfig, accepter Accepter, log *zap.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := errors.Join(cfg.Validate(), ValidateSources(sources)); err != nil {
		return nil, err
	}
	location, err := time.LoadLocation(cfg.Timezone)
	if err != nil {
		return nil, err
	}
	proxies, err := auth.ParseNetworks(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	operators, err := auth.ParseNetworks(cfg.Operators)
	if err != nil {
		return nil, err
	}
	m := newMetrics()
	s := &Server{
		config:    cfg,
		accepter:  accepter,
		log:       log,
		metrics:   m,
		slots:     make(chan struct{}, cfg.MaxInFlight),
		deadlines: deadlines{timeout: cfg.AcceptTimeout},
		proxies:   proxies,
		operators: operators,
		failures:  auth.NewFailures(cfg.MaxAuthFailures),
		since:     time.Now(),
		bodies:    newBodies(cfg, cfg.MaxInFlightBytes),
		memory:    semaphore.NewWeighted(int64(cfg.MaxInFlightBytes)),
	}
	e := s.router()
	for i, c := range sources {
		src, err := newSource(cfg, c, sourceKey(i), len(sources) > 1, location)
		if err != nil {
			return nil, err
		}
		for _, credential := range src.auth.Credentials() {
			src.uses = append(src.uses, s.uses.of(m, src.name, credential.Name))
		}
		s.needsClient = s.needsClient || src.auth.NeedsClient()
		s.sources = append(s.sources, src)
		s.serve(e, src)
		// Silence is counted from the start, so that an alarm on it needs no
		// exception for a bridge that has just been started.
		m.begin(src.name)
		src.lastEvent = m.lastEvent.WithLabelValues(src.name)
		src.lastEvent.Set(float64(time.Now().Unix()))
	}
	if err := m.register(reg); err != nil {
		return nil, err
	}
	unserved := connections.NewUnserved(m.connections, log)
	most, descriptors := connections.WithinDescriptors(cfg.MaxConnections)
	if most < cfg.MaxConnections {
		log.Warn("ingress.max_connections is lowered to half of the file descriptors that the process may have open: raise that limit (ulimit -n, LimitNOFILE=)",
			zap.Int("max_connections", most), zap.Uint64("descriptors", descriptors))
	}
	bounds := connections.New(most, cfg.MaxConnectionsPerAddress, connections.Dropped(m.connections, log))
	s.listener = listener{key: "ingress.addr", addr: cfg.Addr, connections: bounds, watch: unserved.Listener, http: &http.Server{
		Handler:           unserved.Handler(e),
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
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is a 404 like any other path
		ErrorLog:                     connections.ErrorLog(log.Named("http")),
		// No BaseContext: were it the one that a signal ends, the signal
		// would end the requests in work.
	}}
	return s, nil
}

// router returns an echo that answers everything with a problem.
func (s *Server) router() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // it logs nothing for us: see report
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.refuse(exchangeOf(c), asProblem(err)) }
	e.Pre(canonical)
	e.Use(s.observe)
	return e
}

// serve adds the routes of a source. The second route of each path takes every
// other method, OPTIONS too, which echo would answer by itself.
func (s *Server) serve(e *echo.Echo, src *source) {
	for _, p := range src.patterns {
		guard := func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				if !p.fits(c.Param("*")) {
					return s.lost(c)
				}
				x := exchangeOf(c)
				x.source, x.route = src.name, p.String()
				return next(c)
			}
		}
		e.POST(p.String(), func(c echo.Context) error { return s.receive(c, src) }, guard)
		e.RouteNotFound(p.String(), func(echo.Context) error { return methodNotAllowed() }, guard)
	}
}

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
