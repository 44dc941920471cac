package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// Conn is a connection to NATS. It reconnects for ever, and what it knows about the
// connection never waits for the client's lock, which a hanging write can hold for
// seconds. Its methods may be called at the same time.
type Conn struct {
	client     atomic.Pointer[client]
	connect    func() (*nats.Conn, error)
	options    []nats.Option // those of connect
	log        *zap.Logger
	metrics    *metrics
	link       link
	denied     denials
	cfg        natsconfig.Config
	creds      *natsconfig.Credentials
	said       once         // why there is no connection; see noteAway
	away       atomic.Value // cause: the last of these reasons
	complained once         // what the server said on this connection
	listens    string       // where the embedded server does, which the client does not know; "": not embedded
	payload    atomic.Int64 // max_payload of the server, before the first contact the configured one
	limits     limitAsker

	mu        sync.Mutex // guards closing against reopening.Go
	closing   bool
	reopening sync.WaitGroup
	clients   sync.WaitGroup // that have not ended
}

// client is what the library makes of a connection. It ends for good when the server ends it
// with an error that the library does not know, such as a message above max_payload; Conn
// makes another one then.
type client struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Options are what Dial needs.
type Options struct {
	NATS     natsconfig.Config
	Payload  int64            // max_payload in bytes until the server tells its own
	Embedded *embedded.Server // nil: connect to NATS.URL
	Log      *zap.Logger
	Metrics  prometheus.Registerer // nil: none
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

// Dial starts the connection of a bridge. It fails only for what waiting cannot mend, such
// as a credentials file that is not there.
func Dial(o Options) (*Conn, error) {
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := o.NATS.CheckSecrets(); err != nil {
		return nil, err
	}
	c := &Conn{
		cfg:     o.NATS,
		log:     o.Log,
		metrics: m,
		link:    link{gauge: m.connected},
	}
	c.payload.Store(o.Payload)
	if o.Embedded != nil {
		c.listens = "nats://" + o.Embedded.Addr()
	}
	c.denied.inboxes, c.denied.passes = o.NATS.Inbox(), c.isConsumerDelete
	c.creds = natsconfig.NewCredentials(o.NATS, c.unreadable)
	c.options = slices.Concat(dialOptions(c.creds, o.Embedded), c.durabilityOptions(), c.handlers())
	c.connect = func() (*nats.Conn, error) { return nats.Connect(o.NATS.URL, c.options...) }
	if err := c.open(); err != nil {
		return nil, err
	}
	if nc := c.NATS(); !nc.IsConnected() {
		err := nc.LastError()
		if err != nil {
			c.away.Store(cause{err})
			if !c.said.first(err.Error()) {
				err = nil // a handler was faster
			}
		}
		c.log.Warn("nats is away: trying until it comes", c.failureFields(err)...)
	}
	return c, nil
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
	c.client.Store(&client{nc, js})
	c.creds.Use(nc)
	return nil
}

// clientEnded is called when a client has ended for good: at Close, or else since the server said
// something that the library does not forgive.
func (c *Conn) clientEnded(nc *nats.Conn) {
	defer c.clients.Done()
	c.link.down()
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

// durabilityOptions are those that the promise rests on.
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
			c.limits.exceeded.Store(c.denied.exceeded(nc.LastError()))
			c.away.Store(cause{err})
			c.link.down()
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

// asyncError takes an error that the client reports apart from a call.
func (c *Conn) asyncError(err error) {
	c.denied.note(err)
	switch {
	case errors.Is(err, nats.ErrStaleConnection): // the loss of the connection is told anyway
	case c.expectedDenial(err):
		c.log.Debug("nats error", zap.Error(err))
	case natsconfig.LoginRefused(err): // at each attempt again, and told by noteAway
	case !c.complained.first(random.ReplaceAllString(err.Error(), "…")): // with each look at the streams again
		c.log.Debug("nats error", zap.Error(err))
	default:
		c.log.Warn("nats error", zap.Error(err))
	}
}

// random is what names of inboxes and of consumers for one look have in them.
var random = regexp.MustCompile(`\b[A-Za-z0-9]{20,}\b`)

// noteAway logs why an attempt to connect failed, each reason once until there is
// a connection: the client tries every second or so, for ever, and reasons may come in
// turns. LastError forgets it at the next attempt.
func (c *Conn) noteAway(err error) {
	c.away.Store(cause{err})
	if !c.Connected() && c.said.first(err.Error()) {
		c.log.Warn("nats cannot be reached", c.failureFields(err)...)
	}
}

// unreadable logs that a secret cannot be read now, each reason once until there is a connection.
func (c *Conn) unreadable(err error) {
	if c.said.first(err.Error()) {
		c.log.Warn("a secret for nats cannot be read: the last one is used", zap.Error(err))
	}
}

// failureFields is an error, and what would mend it, for the log.
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

// cause is an error in an atomic.Value, which wants one type.
type cause struct{ error }

// Away is why there is no connection; nil if there is one, or nobody knows.
func (c *Conn) Away() error {
	if c.Connected() {
		return nil
	}
	last, _ := c.away.Load().(cause)
	return last.error
}

// reconnectDelay is how long the client waits before it tries its servers again. It looks at why the
// last of them failed, too: of a server that was reached and refused what the client said
// (the login, TLS, too many connections) no other handler is told.
func (c *Conn) reconnectDelay(d, jitter time.Duration) nats.ReconnectDelayHandler {
	return func(int) time.Duration {
		if now := c.client.Load(); now != nil { // else Dial is not done, and tells it itself
			if err := now.nc.LastError(); err != nil {
				c.noteAway(err)
			}
		}
		return d + rand.N(jitter)
	}
}

// up notes a connection. It may be called twice for one.
func (c *Conn) up(nc *nats.Conn) {
	if !nc.IsConnected() {
		return // lost again before the handler's turn came
	}
	c.learnPayload(nc)
	c.limits.exceeded.Store(false)
	c.denied.forget()
	c.said.forget()
	if c.link.up(nc.ConnectedServerId()) {
		c.complained.forget()
		c.log.Info("connected to nats",
			zap.String("url", cmp.Or(c.listens, withoutUserinfo(nc.ConnectedUrl()))),
			zap.String("server", nc.ConnectedServerName()),
			zap.String("version", nc.ConnectedServerVersion()),
			zap.Int64("max_payload", nc.MaxPayload()))
	}
}

// LearnLimit takes over the limit that the client holds us to: what the server announced
// last. An account's comes a moment after the connection, and a server may announce another
// at any time, and the client tells nobody; so it is taken over again with each look at a
// stream. It may wait for a hanging write. See RefreshLimit for what the server does not announce.
func (c *Conn) LearnLimit() { c.learnPayload(c.NATS()) }

func (c *Conn) learnPayload(nc *nats.Conn) {
	if max := nc.MaxPayload(); max > 0 {
		c.payload.Store(max)
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

// Config is how the connection is configured.
func (c *Conn) Config() natsconfig.Config { return c.cfg }

// NATS is the client's connection itself, of now: do not keep it.
func (c *Conn) NATS() *nats.Conn { return c.client.Load().nc }

// JetStream is that connection's JetStream.
func (c *Conn) JetStream() jetstream.JetStream { return c.client.Load().js }

// Connected reports whether there is a connection now.
func (c *Conn) Connected() bool { return c.ServerID() != "" }

// MaxPayload is the size of the largest message, headers included, that the server takes, in
// bytes; before the first contact the configured one.
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
