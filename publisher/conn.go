package publisher

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// conn is the one connection to NATS. It reconnects for ever, and what it
// knows about the connection never waits for the client's lock, which a
// hanging write can hold for seconds.
type conn struct {
	nc        *nats.Conn
	js        jetstream.JetStream
	log       *zap.Logger
	metrics   *metrics
	connected atomic.Bool
	away      atomic.Value  // string: the last reason that was logged; see stillAway
	payload   atomic.Int64  // max_payload of the server, before the first contact the configured one
	changed   chan struct{} // holds one token after each connect
	link      link
	closed    chan struct{} // closed when the client has ended
	closing   atomic.Bool
}

type connOptions struct {
	nats     NATSConfig
	payload  int64 // max_payload until the server tells its own
	secrets  secrets
	embedded *embedded // nil: connect to nats.URL
	log      *zap.Logger
	metrics  *metrics
}

// How soon a dead connection is noticed and made again. A link that swallows
// everything is found after pingInterval * (maxPings + 1); meanwhile every
// publish ends unknown at its own deadline.
const (
	connectTimeout  = 2 * time.Second
	pingInterval    = 2 * time.Second
	maxPings        = 2
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	writeTimeout    = 5 * time.Second
)

// dial starts the connection. It fails only for what waiting cannot mend, such
// as a credentials file that is not there.
func dial(o connOptions) (*conn, error) {
	c := &conn{
		log:     o.log,
		metrics: o.metrics,
		changed: make(chan struct{}, 1),
		closed:  make(chan struct{}),
	}
	c.payload.Store(o.payload)
	opts, err := dialOptions(o.nats, o.secrets, o.embedded)
	if err != nil {
		return nil, err
	}
	opts = append(opts, c.durabilityOptions()...)
	opts = append(opts, c.handlers()...)
	if c.nc, err = nats.Connect(o.nats.URL, opts...); err != nil {
		return nil, fmt.Errorf("connect to nats.url: %w", err)
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("use jetstream: %w", err)
	}
	if c.nc.IsConnected() {
		c.up(c.nc) // the handler is called too, but later
	} else {
		c.log.Warn("nats is away: trying until it comes", zap.Error(c.nc.LastError()))
	}
	return c, nil
}

// durabilityOptions are those that the promise rests on.
func (c *conn) durabilityOptions() []nats.Option {
	return []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		// Otherwise two refused logins in a row end the connection for good,
		// and a password that is put right would need a restart.
		nats.IgnoreAuthErrorAbort(),
		// With a buffer, an event answered 503 or 504 while NATS was away would
		// be sent after all when it comes back.
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.FlusherTimeout(writeTimeout),
	}
}

func (c *conn) handlers() []nats.Option {
	return []nats.Option{
		nats.ConnectHandler(c.up),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.metrics.reconnects.Inc()
			c.up(nc)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.connected.Store(false)
			c.link.down()
			c.metrics.connected.Set(0)
			if !c.closing.Load() {
				c.log.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.stillAway(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) {
			c.connected.Store(false)
			c.link.down()
			c.metrics.connected.Set(0)
			if !c.closing.Load() {
				c.log.Error("nats connection ended for good", zap.Error(nc.LastError()))
			}
			close(c.closed)
		}),
		// Permission errors come this way, apart from the publish that they
		// belong to. They name a subject, never data.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, nats.ErrStaleConnection) {
				c.log.Warn("nats error", zap.Error(err))
			}
		}),
	}
}

// stillAway logs why an attempt to connect failed, each reason once until there is
// a connection: the client tries every second or so, for ever. Only here is it
// certain to be told why: LastError forgets it at the next attempt.
func (c *conn) stillAway(err error) {
	if reason := err.Error(); !c.connected.Load() && c.away.Swap(reason) != reason {
		c.log.Warn("nats cannot be reached", zap.Error(err))
	}
}

// up notes a connection. It may be called twice for one.
func (c *conn) up(nc *nats.Conn) {
	if !nc.IsConnected() {
		return // lost again before the handler's turn came
	}
	if max := nc.MaxPayload(); max > 0 {
		c.payload.Store(max)
	}
	c.metrics.connected.Set(1)
	c.link.up(nc.ConnectedServerId())
	c.away.Store("")
	if !c.connected.Swap(true) {
		c.log.Info("connected to nats",
			zap.String("url", withoutUserinfo(nc.ConnectedUrl())),
			zap.String("server", nc.ConnectedServerName()),
			zap.String("version", nc.ConnectedServerVersion()),
			zap.Int64("max_payload", nc.MaxPayload()))
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// withoutUserinfo returns the URL without user, password and token. The
// client's own redaction leaves a token, which stands where a user does.
func withoutUserinfo(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}

func (c *conn) isConnected() bool { return c.connected.Load() }

// maxPayload is the largest message that the server takes; see payload.
func (c *conn) maxPayload() int64 { return c.payload.Load() }

// close sends what is in the write buffer, waits for that until ctx ends, and
// ends the connection. No goroutine of the client is left.
func (c *conn) close(ctx context.Context) {
	c.closing.Store(true)
	// Drain fails at once if there is no connection; then there is nothing to
	// wait for.
	if err := c.nc.Drain(); err == nil {
		select {
		case <-c.closed:
		case <-ctx.Done():
		}
	}
	c.nc.Close()
	<-c.closed
}
