package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Client is the connection of a client command. It starts no server and makes
// no stream.
type Client struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	cfg Config
}

// ClientOptions say where to connect, and as whom.
type ClientOptions struct {
	Config Config
	NATS   NATSConfig
	Addr   string      // host:port of the embedded server of a running bridge, for an empty nats.url
	Role   string      // what the client does, in the server's list of connections
	Log    *zap.Logger // nil: none
}

// OpenClient connects. It fails if NATS does not answer now; a connection that
// is lost later is made again.
func OpenClient(ctx context.Context, o ClientOptions) (*Client, error) {
	if err := errors.Join(o.Config.Validate(), o.NATS.Validate()); err != nil {
		return nil, err
	}
	secrets, err := readSecrets(o.NATS)
	if err != nil {
		return nil, err
	}
	url, where, opts := clientOptions(o, secrets)
	nc, err := connectOnce(ctx, url, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", where, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("use jetstream: %w", err)
	}
	return &Client{nc: nc, js: js, cfg: o.Config}, nil
}

func clientOptions(o ClientOptions, s secrets) (url, where string, opts []nats.Option) {
	log := o.Log
	if log == nil {
		log = zap.NewNop()
	}
	opts = []nats.Option{
		nats.Name(clientName + " " + o.Role), nats.Timeout(connectTimeout), nats.MaxReconnects(-1),
		// Without a reconnect buffer, or what failed here could be sent all the same.
		nats.ReconnectBufSize(-1), nats.FlusherTimeout(writeTimeout),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("nats error", zap.Error(err)) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to nats again") }),
	}
	if o.NATS.URL != "" {
		return o.NATS.URL, "nats.url", append(opts, externalOptions(o.NATS, s)...)
	}
	if s.embeddedToken != "" {
		opts = append(opts, nats.Token(string(s.embeddedToken)))
	}
	return "nats://" + o.Addr, "the embedded server at " + o.Addr + " (is the bridge running?)", opts
}

// connectOnce is nats.Connect that ends with ctx.
func connectOnce(ctx context.Context, url string, opts []nats.Option) (*nats.Conn, error) {
	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(url, opts...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		return r.nc, r.err
	case <-ctx.Done():
		go func() { // the attempt has its own, short timeout
			if r := <-done; r.err == nil {
				r.nc.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Close ends the connection.
func (c *Client) Close() { c.nc.Close() }

// Conn is the connection itself.
func (c *Client) Conn() *nats.Conn { return c.nc }

// JetStream is the connection's JetStream, of the account that the
// configuration's credentials belong to.
func (c *Client) JetStream() jetstream.JetStream { return c.js }

// Config is the configuration that the client was opened with.
func (c *Client) Config() Config { return c.cfg }

// Prefix is the first part of the subjects of the bridge.
func (c *Client) Prefix() schema.Prefix { return schema.Prefix(c.cfg.SubjectPrefix) }
