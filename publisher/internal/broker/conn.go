package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// Conn is a connection to NATS that reconnects for ever. Its methods may be called at the same
// time. It tells the state of the connection without the client's lock, which a hanging write can hold
// for seconds.
type Conn struct {
	client     atomic.Pointer[client]
	connect    func() (*nats.Conn, error)
	options    []nats.Option // those of connect
	log        *zap.Logger
	metrics    *metrics
	link       link.State
	denied     link.Violations
	cfg        natsconfig.Config
	creds      *natsconfig.Credentials
	said       link.Reasons // logged reasons why there is no connection; see noteAway
	away       atomic.Value // cause: the last reason why there is no connection
	complained link.Reasons // logged errors of the server on this connection
	listens    string       // URL of the embedded server, which the client does not know; "" without one
	payload    atomic.Int64 // max_payload of the server, before the first contact the configured one
	limits     limitAsker

	mu        sync.Mutex // guards closing against reopening.Go
	closing   bool
	reopening sync.WaitGroup
	clients   sync.WaitGroup // clients that have not ended
}

// client is a connection of nats.go. It ends for good when the server ends it with an error that
// nats.go does not know, such as a message above max_payload; Conn makes another one then.
type client struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Options configure Dial.
type Options struct {
	NATS     natsconfig.Config
	Payload  int64            // max_payload in bytes until the server tells its own
	Embedded *embedded.Server // nil: connect to NATS.URL
	Log      *zap.Logger
	Metrics  prometheus.Registerer // nil: none
}

// These times bound how soon a dead connection is noticed and made again. A link that swallows
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

// Dial starts the connection of a bridge. It does not wait for NATS, and fails only if waiting
// cannot help, for example without the credentials file.
func Dial(o Options) (*Conn, error) {
	c, err := newBridgeConn(o)
	if err != nil {
		return nil, err
	}
	if err := c.dial(); err != nil {
		return nil, err
	}
	return c, nil
}

// newConn returns the part of a Conn that a bridge and a command share. It does not connect.
func newConn(cfg natsconfig.Config, payload int64, log *zap.Logger, reg prometheus.Registerer) (*Conn, error) {
	if err := cfg.CheckSecrets(); err != nil {
		return nil, err
	}
	m := newMetrics(reg)
	c := &Conn{cfg: cfg, log: log, metrics: m, link: link.State{Gauge: m.connected}}
	c.payload.Store(payload)
	c.denied.Inboxes, c.denied.Passes = cfg.Inbox(), c.isConsumerDelete
	c.creds = natsconfig.NewCredentials(cfg, c.unreadable)
	return c, nil
}

// newBridgeConn returns the connection of a bridge before its first client.
func newBridgeConn(o Options) (*Conn, error) {
	c, err := newConn(o.NATS, o.Payload, o.Log, o.Metrics)
	if err != nil {
		return nil, err
	}
	if o.Embedded != nil {
		c.listens = "nats://" + o.Embedded.Addr()
	}
	c.options = slices.Concat(dialOptions(c.creds, o.Embedded), c.durabilityOptions(), c.handlers())
	c.connect = func() (*nats.Conn, error) { return nats.Connect(o.NATS.URL, c.options...) }
	return c, nil
}

// dial makes the first client.
func (c *Conn) dial() error {
	if err := c.open(); err != nil {
		return err
	}
	if nc := c.NATS(); !nc.IsConnected() {
		err := nc.LastError()
		if err != nil {
			c.away.Store(cause{err})
			if !c.said.First(err.Error()) {
				err = nil // a handler was faster
			}
		}
		c.log.Warn("nats is away: trying until it comes", c.failureFields(err)...)
	}
	return nil
}

// open makes a client, which connects now or later.
func (c *Conn) open() error {
	c.clients.Add(1)
	nc, err := c.connect()
	if err != nil {
		c.clients.Done()
		return fmt.Errorf("connect to nats.url: %w", err)
	}
	if err := c.use(nc); err != nil {
		return err
	}
	if nc.IsConnected() {
		c.up(nc) // the handler is called too, but later
	}
	return nil
}

// use makes nc the client.
func (c *Conn) use(nc *nats.Conn) error {
	js, err := c.cfg.JetStream(nc)
	if err != nil {
		nc.Close()
		return fmt.Errorf("use jetstream: %w", err)
	}
	c.denied.Renew()
	c.client.Store(&client{nc, js})
	c.creds.Use(nc)
	return nil
}

// clientEnded replaces a client that has ended for good, unless Close ended it.
func (c *Conn) clientEnded(nc *nats.Conn) {
	defer c.clients.Done()
	c.link.Down(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	c.log.Error("nats ended the connection; making another", zap.Error(nc.LastError()))
	c.reopening.Go(c.reopen)
}

// reopen makes another client, until there is one or Close is called.
func (c *Conn) reopen() {
	for {
		time.Sleep(reconnectWait)
		c.mu.Lock()
		closing := c.closing
		c.mu.Unlock()
		if closing {
			return
		}
		err := c.open()
		if err == nil {
			return
		}
		c.noteAway(err)
	}
}

// durabilityOptions returns the options that the promise rests on.
func (c *Conn) durabilityOptions() []nats.Option {
	return []nats.Option{
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		// Otherwise two refused logins in a row end the connection for good,
		// and a password that is put right would need a restart.
		nats.IgnoreAuthErrorAbort(),
		// With a buffer, an event answered 503 or 504 while NATS was away would
		// be sent after all when it comes back.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPings),
		nats.FlusherTimeout(writeTimeout),
	}
}

func (c *Conn) handlers() []nats.Option {
	return []nats.Option{
		nats.ConnectHandler(c.up),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.metrics.reconnects.Inc()
			c.up(nc)
		}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			size := c.denied.Exceeded(nc.LastError()) || link.InWrite(err)
			c.away.Store(cause{err})
			c.link.Down(size) // at the end: now the publishes look why
			if !c.isClosing() {
				c.log.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.noteAway(err) }),
		nats.CustomReconnectDelay(c.reconnectDelay(reconnectWait, reconnectJitter)),
		nats.ClosedHandler(c.clientEnded),
		// Permission errors come this way, apart from the publish that they
		// belong to. They name a subject, never data.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.asyncError(err)
		}),
	}
}

// asyncError logs an error that the client reports apart from a call, once for each connection.
func (c *Conn) asyncError(err error) {
	c.denied.Note(err)
	switch {
	case errors.Is(err, nats.ErrStaleConnection): // the loss of the connection is told anyway
	case c.expectedDenial(err):
		c.log.Debug("nats error", zap.Error(err))
	case natsconfig.LoginRefused(err): // at each attempt again, and told by noteAway
	case !c.complained.First(random.ReplaceAllString(err.Error(), "…")): // with each look at the streams again
		c.log.Debug("nats error", zap.Error(err))
	default:
		c.log.Warn("nats error", zap.Error(err))
	}
}

// random matches the random part in the name of an inbox or of a temporary consumer.
var random = regexp.MustCompile(`\b[A-Za-z0-9]{20,}\b`)

// noteAway keeps and logs the reason why an attempt to connect failed, each reason once until there
// is a connection: the client tries about every second, for ever, and reasons may alternate. The
// client's LastError forgets it at the next attempt.
func (c *Conn) noteAway(err error) {
	c.away.Store(cause{err})
	if !c.Connected() && c.said.First(err.Error()) {
		c.log.Warn("nats cannot be reached", c.failureFields(err)...)
	}
}

// unreadable logs that a secret cannot be read now, each reason once until there is a connection.
func (c *Conn) unreadable(err error) {
	if c.said.First(err.Error()) {
		c.log.Warn("a secret for nats cannot be read: the last one is used", zap.Error(err))
	}
}

// failureFields returns an error and its remedy as fields for the log.
func (c *Conn) failureFields(err error) []zap.Field {
	if err == nil {
		return nil
	}
	fields := []zap.Field{zap.Error(err)}
	if fix := c.cfg.Remedy(err); fix != "" {
		fields = append(fields, zap.String("fix", fix))
	}
	return fields
}

// cause wraps an error for an atomic.Value, which requires one type.
type cause struct{ error }

// Away returns the reason why there is no connection; nil if there is one, or the reason is unknown.
func (c *Conn) Away() error {
	if c.Connected() {
		return nil
	}
	last, _ := c.away.Load().(cause)
	return last.error
}

// reconnectDelay returns a handler that says how long the client waits before it tries its servers
// again. The handler notes why the last server failed, too: if a server refused the client (its
// login, TLS, too many connections), the client calls no other handler.
func (c *Conn) reconnectDelay(d, jitter time.Duration) nats.ReconnectDelayHandler {
	return func(int) time.Duration {
		if now := c.client.Load(); now != nil { // else Dial has not returned, and logs it
			if err := now.nc.LastError(); err != nil {
				c.noteAway(err)
			}
		}
		return d + rand.N(jitter)
	}
}

// up notes a connection. The client and open may both call it for the same one.
func (c *Conn) up(nc *nats.Conn) {
	if now := c.client.Load(); now == nil || now.nc != nc {
		return // open notes it when it is in use: until then a publish would take the one that ended
	}
	if !nc.IsConnected() {
		return // lost again before the handler's turn came
	}
	c.learnPayload(nc)
	c.denied.Forget()
	c.said.Forget()
	if c.link.Up(nc.ConnectedServerId()) {
		c.complained.Forget()
		c.log.Info("connected to nats",
			zap.String("url", cmp.Or(c.listens, value.WithoutUserinfo(nc.ConnectedUrl()))),
			zap.String("server", nc.ConnectedServerName()),
			zap.String("version", nc.ConnectedServerVersion()),
			zap.Int64("max_payload", nc.MaxPayload()))
	}
}

// LearnLimit reads from the client the limit that the server announced last. The limit of an account
// arrives a moment after the connection, and a server may announce another at any time; the client
// has no handler for that, so Info of a stream calls LearnLimit. It may wait for a hanging write.
// RefreshLimit finds limits that the server does not announce.
func (c *Conn) LearnLimit() { c.learnPayload(c.NATS()) }

func (c *Conn) learnPayload(nc *nats.Conn) {
	if max := nc.MaxPayload(); max > 0 {
		c.payload.Store(max)
	}
}

// Config returns the configuration of the connection.
func (c *Conn) Config() natsconfig.Config { return c.cfg }

// NATS returns the current connection of nats.go. Do not keep it: Conn may replace it.
func (c *Conn) NATS() *nats.Conn { return c.client.Load().nc }

// JetStream returns JetStream on the current connection. Do not keep it.
func (c *Conn) JetStream() jetstream.JetStream { return c.client.Load().js }

// Connected reports whether there is a connection now.
func (c *Conn) Connected() bool { return c.ServerID() != "" }

// MaxPayload returns the size of the largest message that the server takes, in bytes, headers
// included; before the first contact the configured one.
func (c *Conn) MaxPayload() int64 { return c.payload.Load() }

// Close sends what is in the write buffer, waits for that until ctx ends, and
// ends the connection. No goroutine of the client is left. Call it once.
func (c *Conn) Close(ctx context.Context) {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.reopening.Wait()
	nc := c.NATS()
	closed := nc.StatusChanged(nats.CLOSED)
	// Drain fails at once if there is no connection; then there is nothing to
	// wait for.
	if err := nc.Drain(); err == nil {
		select {
		case <-closed:
		case <-ctx.Done():
		}
	}
	nc.Close()
	c.clients.Wait()
	c.limits.asking.Wait()
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}
