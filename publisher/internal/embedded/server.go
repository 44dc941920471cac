// Package embedded runs a nats-server with JetStream inside this process.
package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/config/value/certificate"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// Server is the embedded nats-server. The bridge connects to it within the process, other clients
// by its address. Its methods may be called at the same time.
type Server struct {
	options  *server.Options // the same at each restart
	addr     string          // host:port of the listener
	log      *zap.Logger
	pair     *certificate.Pair // nil: no TLS
	restarts prometheus.Counter
	stop     context.CancelFunc
	watching sync.WaitGroup

	mu     sync.Mutex // guards what follows
	server *server.Server
}

// Options configure Start.
type Options struct {
	Config     natsconfig.Embedded
	StoreDir   string
	StoreKey   string     // key that encrypts the store; "": no encryption
	MaxBody    value.Size // largest body that the ingress accepts; it decides max_payload of the server
	SyncAlways bool       // flush each event before its PubAck, as "ack: stream" needs
	Log        *zap.Logger
	Metrics    prometheus.Registerer // nil: none
}

// serverName appears in the reports of NATS.
const serverName = "treble-bridge"

// maxStore is the storage limit of the whole server: 1 PiB, so none. The server's default is three
// quarters of the disk that is free at the start. At a later start our own events have filled a part of
// it, and the server would no longer allow the max_bytes that the streams reserve. The max_bytes of each
// stream bound the disk.
const maxStore = 1 << 50

// maxPayload returns a limit in bytes that is enough for a body of maxBody with its normalised copies,
// and below 32 MiB, beyond which JetStream's file store refuses a message.
func maxPayload(maxBody value.Size) int32 {
	return int32(min(2*maxBody+value.MiB, 31*value.MiB))
}

// Start starts the server, and returns when it listens and its streams are recovered. Its errors name
// the key of the configuration. Call Stop.
func Start(o Options) (*Server, error) {
	options, err := o.server()
	if err != nil {
		return nil, err
	}
	if err := datadir.Ensure(o.StoreDir); err != nil {
		return nil, fmt.Errorf("make the store of the embedded nats-server: %w", err)
	}
	e := &Server{log: o.Log, addr: o.Config.Addr, options: options}
	if err := e.useTLS(o.Config.TLS); err != nil {
		return nil, err
	}
	e.restarts = promauto.With(o.Metrics).NewCounter(prometheus.CounterOpts{
		Name: "treble_bridge_embedded_restarts_total",
		Help: "Restarts of the embedded nats-server, since its store did not write though the disk had room.",
	})
	if e.server, err = e.start(); err != nil {
		return nil, err
	}
	e.noteAddr()
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.watching.Go(func() { e.watch(ctx) })
	return e, nil
}

// server returns the options of the nats-server, without those of TLS.
func (o Options) server() (*server.Options, error) {
	host, port, err := o.Config.HostPort()
	if err != nil {
		return nil, fmt.Errorf("nats.embedded.addr: %w", err)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	token, err := o.Config.ReadToken()
	if err != nil {
		return nil, err
	}
	if token == "" && !o.Config.Open {
		return nil, errors.New("nats.embedded: there is no token, and open is not set")
	}
	return &server.Options{
		ServerName:             serverName,
		Host:                   host,
		Port:                   port,
		Authorization:          token,
		MaxPayload:             maxPayload(o.MaxBody),
		JetStream:              true,
		StoreDir:               o.StoreDir,
		JetStreamCipher:        server.ChaCha,
		JetStreamKey:           o.StoreKey,
		JetStreamMaxStore:      maxStore,
		SyncAlways:             o.SyncAlways,
		NoSigs:                 true, // the daemon handles signals
		DisableJetStreamBanner: true,
	}, nil
}

// useTLS requires TLS of clients in other processes. The bridge connects within this one.
func (e *Server) useTLS(c natsconfig.EmbeddedTLS) error {
	if c.CertFile == "" {
		return nil
	}
	pair, err := c.Files().Load()
	if err != nil {
		return fmt.Errorf("nats.embedded.tls: %w", err)
	}
	e.pair = certificate.NewPair(pair)
	e.options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: e.pair.GetCertificate}
	return nil
}

// UseCertificate replaces the certificate for new connections, if the server was started with one.
func (e *Server) UseCertificate(c *tls.Certificate) {
	if e.pair != nil {
		e.pair.Use(c)
	}
}

// noteAddr keeps the address of the listener, for Addr and for a restart.
func (e *Server) noteAddr() {
	tcp, ok := e.server.Addr().(*net.TCPAddr)
	if !ok {
		return
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	e.addr, e.options.Port = net.JoinHostPort(host, strconv.Itoa(tcp.Port)), tcp.Port
}

func (e *Server) start() (*server.Server, error) {
	s, err := server.NewServer(e.options.Clone())
	if err != nil {
		return nil, fmt.Errorf("configure the embedded nats-server: %w", err)
	}
	log := &serverLog{log: e.log.WithOptions(zap.AddCallerSkip(2))}
	s.SetLoggerV2(log, e.log.Core().Enabled(zap.DebugLevel), false, false)

	// Start returns no error. It returns when the server listens, or after it has logged why it
	// cannot.
	s.Start()
	if err := startError(s, log, e.addr); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return s, nil
}

func startError(s *server.Server, log *serverLog, addr string) error {
	fatal := log.fatal()
	switch {
	case fatal != "" && s.Addr() == nil && s.JetStreamEnabled():
		return fmt.Errorf("nats.embedded.addr: the embedded nats-server cannot listen on %s (%s); "+
			"choose another nats.embedded.addr (port 0 takes a free one), or set nats.url to use a NATS that runs already", addr, fatal)
	case fatal != "":
		return fmt.Errorf("start the embedded nats-server: %s", fatal)
	case !s.JetStreamEnabled() || s.Addr() == nil:
		return errors.New("start the embedded nats-server: it did not come up and gave no reason")
	}
	return nil
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *Server) InProcessConn() (net.Conn, error) { return e.current().InProcessConn() }

// current returns the running server, which a restart replaces.
func (e *Server) current() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// Token returns the token that the server was started with; "" if it has none. Its file may hold another
// one by now.
func (e *Server) Token() string { return e.options.Authorization }

// Addr returns the host:port of the listener. For a listener on all interfaces the host is loopback, so
// that a client can use the address.
func (e *Server) Addr() string { return e.addr }

// Stop ends the server. When it returns, the store is complete and closed.
func (e *Server) Stop() {
	e.stop()
	e.watching.Wait()
	s := e.current()
	s.Shutdown()
	s.WaitForShutdown()
}
