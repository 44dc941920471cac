// Package client connects a command to the NATS of a bridge: it follows a stream, filters events,
// and reports the progress of consumers. It starts no server and creates no stream.
package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Client is the connection of a client command. Its methods may be called at the same time.
type Client struct {
	conn *broker.Conn
	nc   *nats.Conn
	js   jetstream.JetStream
	opts Options
	log  *zap.Logger
}

// Options say where to connect, and as whom.
type Options struct {
	NATS    natsconfig.Config
	Addr    string            // host:port of the embedded server of a running bridge, for an empty nats.url
	Role    string            // what the client does, in the server's list of connections
	Events  schema.StreamName // of the bridge
	Prefix  schema.Prefix     // of its subjects
	Timeout time.Duration     // for a PubAck, or one message that is asked for
	Log     *zap.Logger       // nil: none
}

// Open connects. It fails if NATS does not answer now; a connection that
// is lost later is made again.
func Open(ctx context.Context, o Options) (*Client, error) {
	if err := o.NATS.Validate(); err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = zap.NewNop()
	}
	conn, err := broker.Connect(ctx, o.NATS, o.Addr, o.Role, log)
	if err != nil {
		return nil, err
	}
	if problem := TooOld(conn.NATS().ConnectedServerVersion()); problem != "" {
		log.Warn(problem)
	}
	return &Client{conn: conn, nc: conn.NATS(), js: conn.JetStream(), opts: o, log: log}, nil
}

// Close ends the connection.
func (c *Client) Close() { c.nc.Close() }

// Stream returns a stream with its settings and its state of now. The error of one that is missing
// wraps jetstream.ErrStreamNotFound. Of one that NATS does not let this user see it names the
// subject, where the library only says that nobody answers.
func (c *Client) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	began := time.Now()
	s, err := c.js.Stream(ctx, name)
	switch err = c.conn.Explain(err, name, began); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, missing(name, err)
	case err != nil:
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return s, nil
}

// missing says of a stream that does not exist who makes it.
func missing(name string, err error) error {
	return fmt.Errorf("stream %s does not exist here; the bridge makes it when it starts (publisher.stream, publisher.streams): %w", name, err)
}

// Conn is the connection itself.
func (c *Client) Conn() *nats.Conn { return c.nc }

// JetStream is the connection's JetStream, of the account that the
// configuration's credentials belong to.
func (c *Client) JetStream() jetstream.JetStream { return c.js }

// Broker is the connection with all that is known of it.
func (c *Client) Broker() *broker.Conn { return c.conn }

// Events is the name of the stream of the events.
func (c *Client) Events() schema.StreamName { return c.opts.Events }

// Timeout bounds the wait for a PubAck, and for a single message that is read.
func (c *Client) Timeout() time.Duration { return c.opts.Timeout }

// Prefix is the first part of the subjects of the bridge.
func (c *Client) Prefix() schema.Prefix { return c.opts.Prefix }

// Sleep waits, or returns the cause of ctx's end.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
