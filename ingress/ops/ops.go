// Package ops serves operators on a listener of their own: liveness and readiness, metrics, the use of credentials, and
// the documents that describe the events.
package ops

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/ingress/connections"
	"github.com/treble-bridge/treble-bridge/ingress/listen"
)

// The values of Readiness.Status.
const (
	Ready    = "ready"    // all is well
	Degraded = "degraded" // events are taken, and somebody should look; /readyz says 200
	Unready  = "unready"  // events are not taken; /readyz says 503
)

// Readiness is the answer of /readyz.
type Readiness struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons,omitempty"` // why it is not Ready, each in one line
	Details []Detail `json:"details,omitempty"` // the same reasons, with the lines that mend them apart
}

// Detail is a reason, and the line that mends it.
type Detail struct {
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`    // or the command that tells more
	FixIn string `json:"fix_in,omitempty"` // where to put it: shell, environment or nats-server.conf
}

// maxConnections bounds the connections of the ops listener, apart from the public one, so
// that no number of webhooks keeps /livez and /readyz from answering.
const maxConnections = 64

// How long each may take.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	answerTimeout = 2 * time.Minute // a CPU profile takes 30 s
)

// Config is the listener for operators: health, readiness, metrics.
type Config struct {
	Addr  string `mapstructure:"addr" doc:"address of the ops listener (/livez, /readyz, /metrics), apart from the public one"`
	Pprof bool   `mapstructure:"pprof" doc:"serve /debug/pprof on the ops listener"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Addr: "127.0.0.1:9464"} }

// Validate returns every problem of c, joined, each with its key.
func (c Config) Validate() error { return listen.ValidateAddr("ops.addr", c.Addr) }

// CredentialStatus is a credential of a source and how it is used. It tells nothing of its value.
type CredentialStatus struct {
	Source    string     `json:"source"`
	Name      string     `json:"name"`
	Scheme    string     `json:"scheme"`
	Uses      int64      `json:"uses"` // by senders, since the start
	LastUsed  *time.Time `json:"last_used,omitempty"`
	NotBefore *time.Time `json:"not_before,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
}

// CredentialsStatus is the answer of /credentials.
type CredentialsStatus struct {
	Since       time.Time          `json:"since"` // when the bridge was started: it knows of no use before
	Credentials []CredentialStatus `json:"credentials"`
}

// Server is the listener for operators: /livez, /readyz, /metrics, /credentials, the documents
// that describe the events below /schemas and, if configured, /debug/pprof. Make it with New, then call Listen, Serve and,
// once, Shutdown.
type Server struct{ *listen.Server }

// New returns the ops listener. It asks ready at each request of /readyz,
// from many goroutines at once, credentials at each of /credentials, and collects g at each of /metrics.
func New(cfg Config, ready func() Readiness, credentials func() CredentialsStatus, g prometheus.Gatherer, log *zap.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	errorLog := connections.ErrorLog(log.Named("ops"))
	mux := http.NewServeMux()
	// It looks at nothing: a process that answers is alive, and to restart it
	// because NATS is away would help nobody.
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, Readiness{Status: "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answer := ready()
		status := http.StatusOK
		if answer.Status != Ready && answer.Status != Degraded {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, answer)
	})
	mux.HandleFunc("GET /credentials", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, credentials()) })
	serveDocuments(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorLog: errorLog}))
	if cfg.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	bounds := connections.New(maxConnections, 0, func(string) {})
	s := new(Server)
	s.Server = listen.NewServer(listen.Options{Key: "ops.addr", Addr: cfg.Addr, Connections: bounds, HTTP: &http.Server{
		Handler:           atWork(s.sameHost(mux)),
		ConnContext:       connections.Context,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    listen.MaxHeaderBytes,
		ErrorLog:          errorLog,
	}})
	return s, nil
}

// sameHost refuses requests for another host than this one, if the listener is on loopback: a page
// in a browser here can reach it by a name of its own that leads to loopback (DNS rebinding), and
// read what comes back.
func (s *Server) sameHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, ok := s.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() && !isLoopback(r.Host) {
			http.Error(w, "ops.addr is on loopback: use it by 127.0.0.1, [::1] or localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a Host header names this host.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host = strings.Trim(host, "[]"); strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// atWork lets a connection keep its place while its request is answered.
func atWork(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := connections.Of(r.Context()); c != nil {
			c.Move(connections.Waiting, connections.Working)
			defer c.Move(connections.Working, connections.Waiting)
		}
		next.ServeHTTP(w, r)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
