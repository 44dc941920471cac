package publisher

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// embedded is a nats-server with JetStream inside this process. The bridge
// talks to it without a network; others reach it at its address.
type embedded struct{ server *server.Server }

type embeddedOptions struct {
	addr       string
	token      value.Secret
	storeDir   string
	maxPayload int32
	syncAlways bool // flush each event before its PubAck, which is then the promise
	log        *zap.Logger
}

// embeddedMaxStore is the storage limit of the server as a whole, 1 PiB: none.
// By default it is three quarters of the disk that is free at the start. Later
// the disk is fuller, by our own events among others, and the streams' reserved
// max_bytes would no longer be allowed. What bounds the disk is max_bytes of
// each stream.
const embeddedMaxStore = 1 << 50

// embeddedMaxPayload is enough for a body of maxBody with its normalised
// copies, and below the 32 MiB beyond which JetStream's file store refuses a
// message.
func embeddedMaxPayload(maxBody value.Size) int32 {
	return int32(min(2*maxBody+value.MiB, 31*value.MiB))
}

// startEmbedded starts the server and returns when it listens and its streams
// are recovered.
func startEmbedded(o embeddedOptions) (*embedded, error) {
	host, port, err := splitAddr(o.addr)
	if err != nil {
		return nil, fmt.Errorf("nats.embedded.addr: %w", err)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if err := datadir.Ensure(o.storeDir); err != nil {
		return nil, fmt.Errorf("make the store of the embedded nats-server: %w", err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             clientName,
		Host:                   host,
		Port:                   port,
		Authorization:          string(o.token),
		MaxPayload:             o.maxPayload,
		JetStream:              true,
		StoreDir:               o.storeDir,
		JetStreamMaxStore:      embeddedMaxStore,
		SyncAlways:             o.syncAlways,
		NoSigs:                 true, // signals are the daemon's
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("configure the embedded nats-server: %w", err)
	}
	log := &serverLog{log: o.log.WithOptions(zap.AddCallerSkip(2))}
	s.SetLoggerV2(log, o.log.Core().Enabled(zap.DebugLevel), false, false)

	// Start returns when the server listens, or right after it told the logger
	// why it cannot: it has no error to return.
	s.Start()
	if err := startError(s, log, o.addr); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return &embedded{server: s}, nil
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

// addr is where the server listens. A host that means all interfaces is
// returned as loopback, so that the address can be used.
func (e *embedded) addr() string {
	tcp, ok := e.server.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// stop ends the server; its store is complete and closed when it returns.
func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
