package ingress

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
	"github.com/treble-bridge/treble-bridge/ingress/quota"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// snapshot has the routes, credentials and limits of a server. It does not change; a
// configuration that is read again makes another one.
type snapshot struct {
	*common
	config      Config
	router      *echo.Echo
	sources     []*source
	slots       chan struct{} // one element for each request in flight
	deadlines   deadlines
	bodies      *semaphore.Weighted // bytes of bodies
	memory      *semaphore.Weighted // bytes that requests in work need beside their bodies
	proxies     auth.Proxies
	operators   []netip.Prefix
	failures    *auth.Failures
	needsClient bool // a source asks for the address of the client
}

// snapshot returns one of a configuration that is valid. What the one in use counts, such as the
// requests in flight, goes on in it, unless its limit is another.
func (s *Server) snapshot(cfg Config, sources []SourceConfig) (*snapshot, error) {
	proxies, err := auth.ParseNetworks(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	operators, err := auth.ParseNetworks(cfg.Operators)
	if err != nil {
		return nil, err
	}
	n := &snapshot{
		common:    s.common,
		config:    cfg,
		slots:     make(chan struct{}, cfg.MaxInFlight),
		deadlines: deadlines{timeout: cfg.AcceptTimeout},
		proxies:   proxies,
		operators: operators,
		failures:  auth.NewFailures(cfg.MaxAuthFailures),
		bodies:    newBodies(cfg, cfg.MaxInFlightBytes),
		memory:    semaphore.NewWeighted(int64(cfg.MaxInFlightBytes)),
	}
	n.router = n.newRouter()
	for i, c := range sources {
		src, err := newSource(cfg, c, sourceKey(i), len(sources) > 1)
		if err != nil {
			return nil, err
		}
		n.needsClient = n.needsClient || src.auth.NeedsClient()
		n.sources = append(n.sources, src)
		n.serve(n.router, src)
	}
	if before := s.current.Load(); before != nil {
		n.goOn(before)
	}
	return n, nil
}

// goOn takes over what the snapshot before counts. Requests that it has in work give back to the
// same counters.
func (s *snapshot) goOn(before *snapshot) {
	was, is := before.config, s.config
	if was.MaxInFlight == is.MaxInFlight {
		s.slots = before.slots
	}
	if was.MaxAuthFailures == is.MaxAuthFailures {
		s.failures = before.failures
	}
	if was.MaxInFlightBytes == is.MaxInFlightBytes && was.MaxBody == is.MaxBody {
		s.bodies, s.memory = before.bodies, before.memory
	}
	for _, src := range s.sources {
		if old := before.source(src.name); old != nil {
			src.goOn(old)
		}
	}
}

// begin counts from now on what is counted for each source. Silence is counted from the start, or
// from when the source came, so that an alarm on it needs no exception for one that is new.
func (s *snapshot) begin(before *snapshot) {
	for _, src := range s.sources {
		for _, credential := range src.auth.Credentials() {
			src.uses = append(src.uses, s.uses.of(s.metrics, src.name, credential.Name))
		}
		s.metrics.begin(src.name)
		src.lastEvent = s.metrics.lastEvent.WithLabelValues(src.name)
		if before == nil || before.source(src.name) == nil {
			src.lastEvent.Set(float64(time.Now().Unix()))
		}
	}
}

// source returns the source of a name, or nil.
func (s *snapshot) source(name string) *source {
	for _, src := range s.sources {
		if src.name == name {
			return src
		}
	}
	return nil
}

// newRouter returns an echo that answers everything with a problem.
func (s *snapshot) newRouter() *echo.Echo {
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // it logs nothing for us: see report
	e.Pre(canonical)
	e.Use(s.observe)
	return e
}

// serve adds the routes of a source. The second route of each path takes every
// other method, OPTIONS too, which echo would answer by itself.
func (s *snapshot) serve(e *echo.Echo, src *source) {
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

// Prepared is a configuration that was read again, complete and checked, and does not count yet.
type Prepared struct {
	server   *Server
	snapshot *snapshot
	tls      *listen.Settings // nil: plain HTTP
}

// Prepare reads a configuration for a server that runs, its files too, and changes nothing. Of cfg only what
// can change counts: what the listener was bound with stays. The error lists
// every problem by its key.
func (s *Server) Prepare(cfg Config, sources []SourceConfig) (*Prepared, error) {
	if err := errors.Join(cfg.Validate(), ValidateSources(sources)); err != nil {
		return nil, err
	}
	p := &Prepared{server: s}
	if s.tls != nil {
		var err error
		if p.tls, err = s.tls.Load(cfg.TLS); err != nil {
			return nil, err
		}
		if err := p.tls.CheckTime(time.Now()); err != nil {
			return nil, err
		}
	}
	var err error
	if p.snapshot, err = s.snapshot(cfg, sources); err != nil {
		return nil, fmt.Errorf("ingress: %w", err)
	}
	return p, nil
}

// Apply makes the configuration that of every request and every handshake from now on. Requests in work
// end with what counted when they came. It cannot fail. Of several that were prepared at the
// same time the last one counts.
func (p *Prepared) Apply() {
	s := p.server
	p.snapshot.begin(s.current.Load())
	if p.tls != nil {
		s.tls.Use(p.tls)
	}
	s.current.Store(p.snapshot)
}

// source is a configured endpoint, ready to serve. It does not change.
type source struct {
	name        string
	patterns    []pattern
	auth        *auth.Authenticator
	uses        []*use        // by auth.Credential.Index
	refusedKept *rate.Limiter // deliveries with wrong credentials that are kept; nil: none
	parser      delivery.Parser
	reply       reply // with a 200
	lastEvent   prometheus.Gauge
	bodies      *semaphore.Weighted // bytes of its bodies
	memory      *semaphore.Weighted // bytes that its requests in work need beside them
	memorySize  int64
	bodiesSize  value.Size // max_body, which bodies depend on too
	quota       *quota.Quota
}

// goOn takes over what the source of the same name counted before, unless its limit is another.
func (s *source) goOn(before *source) {
	if s.memorySize == before.memorySize && s.bodiesSize == before.bodiesSize {
		s.bodies, s.memory = before.bodies, before.memory
	}
	s.quota.GoOn(before.quota)
	if s.refusedKept != nil && before.refusedKept != nil && s.refusedKept.Limit() == before.refusedKept.Limit() {
		s.refusedKept = before.refusedKept
	}
}

// newSource returns a source of several, if there are others.
func newSource(cfg Config, c SourceConfig, key string, several bool) (*source, error) {
	parser, err := c.Parser(cfg)
	if err != nil {
		return nil, err
	}
	size := cfg.MaxInFlightBytes
	if several { // then one alone does not take all
		size = size / 4 * 3
	}
	s := &source{
		name:       c.Name,
		parser:     parser,
		bodies:     newBodies(cfg, size),
		memory:     semaphore.NewWeighted(int64(size)),
		memorySize: int64(size),
		bodiesSize: cfg.MaxBody,
		quota:      quota.New(c.Limits, several, delivery.MaxEvents, cfg.MaxBody),
		reply:      newReply(echo.MIMEApplicationJSON, []byte("{}")),
	}
	for _, path := range c.Paths {
		p, err := parsePattern(path)
		if err != nil {
			return nil, fmt.Errorf("%s.paths: %w", key, err)
		}
		s.patterns = append(s.patterns, p)
	}
	if c.Reply != "" {
		reply, err := value.ParseObject(string(c.Reply))
		if err != nil {
			return nil, fmt.Errorf("%s.reply: %w", key, err)
		}
		s.reply = newReply(echo.MIMEApplicationJSON, []byte(reply))
	}
	s.auth, err = auth.New(c.Auth, key+".auth")
	if n := c.Auth.KeepRefused; n > 0 {
		s.refusedKept = rate.NewLimiter(rate.Limit(float64(n)/60), n)
	}
	return s, err
}
