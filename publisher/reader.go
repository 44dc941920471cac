package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Reader reads the event stream for the client commands. It never changes it.
type Reader struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	stream string
	prefix schema.Prefix
}

// Stored is a message as the stream holds it.
type Stored struct {
	Sequence uint64    // position in the stream, from 1
	Stored   time.Time // when the server stored it
	Subject  string
	Header   map[string][]string
	Data     []byte // the envelope; see schema.Decode
	Pending  uint64 // messages that match and are stored behind this one
}

// OpenReader connects to nats.url, or, if it is empty, to the embedded server
// of a running bridge at addr. It fails if NATS does not answer now.
func OpenReader(ctx context.Context, c Config, n NATSConfig, addr string, log *zap.Logger) (*Reader, error) {
	nc, js, err := connectClient(ctx, c, n, addr, "reader", log)
	if err != nil {
		return nil, err
	}
	return &Reader{nc: nc, js: js, stream: c.Stream, prefix: schema.Prefix(c.SubjectPrefix)}, nil
}

// connectClient connects as a client command does; role says which in the server's
// list of connections.
func connectClient(ctx context.Context, c Config, n NATSConfig, addr, role string, log *zap.Logger, more ...nats.Option) (*nats.Conn, jetstream.JetStream, error) {
	if err := errors.Join(c.Validate(), n.Validate()); err != nil {
		return nil, nil, err
	}
	secrets, err := readSecrets(n)
	if err != nil {
		return nil, nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	url, where := n.URL, "nats.url"
	opts := append([]nats.Option{nats.Name(clientName + " " + role), nats.Timeout(connectTimeout), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("nats error", zap.Error(err)) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to nats again") }),
	}, more...)
	if url == "" {
		url, where = "nats://"+addr, "the embedded server at "+addr+" (is the bridge running?)"
		if secrets.embeddedToken != "" {
			opts = append(opts, nats.Token(string(secrets.embeddedToken)))
		}
	} else {
		opts = append(opts, externalOptions(n, secrets)...)
	}
	nc, err := connectOnce(ctx, url, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", where, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("use jetstream: %w", err)
	}
	return nc, js, nil
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
func (r *Reader) Close() { r.nc.Close() }

// FollowOptions say which events to read. The zero value is: all kinds, only
// those that are stored from now on, until the context ends.
type FollowOptions struct {
	Kinds     []schema.Kind // empty: all
	FromStart bool          // from the first event in the stream
	Since     time.Time     // from the first event stored at or after it; FromStart goes before it
	StopAtEnd bool          // return nil when the last event stored so far was read
}

// Follow calls f with the stored events, one after the other in the order of
// the stream, without gaps, also across a reconnect. It returns ctx's error
// when ctx ends, the error of f if it has one, or nil with StopAtEnd.
func (r *Reader) Follow(ctx context.Context, o FollowOptions, f func(Stored) error) error {
	cons, err := r.js.OrderedConsumer(ctx, r.stream, r.consumer(o))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s does not exist here; the bridge makes it when it starts (publisher.stream, publisher.streams)", r.stream)
	}
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	if o.StopAtEnd && cons.CachedInfo().NumPending == 0 {
		return nil
	}
	msgs, err := cons.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.stream, err)
	}
	defer msgs.Stop()
	for {
		m, err := msgs.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", r.stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read stream %s: %w", r.stream, err)
		}
		err = f(Stored{
			Sequence: meta.Sequence.Stream,
			Stored:   meta.Timestamp,
			Subject:  m.Subject(),
			Header:   m.Headers(),
			Data:     m.Data(),
			Pending:  meta.NumPending,
		})
		if err != nil {
			return err
		}
		if o.StopAtEnd && meta.NumPending == 0 {
			return nil
		}
	}
}

// consumer lets the server choose, so that only what is wanted travels.
func (r *Reader) consumer(o FollowOptions) jetstream.OrderedConsumerConfig {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}
	for _, k := range o.Kinds {
		cfg.FilterSubjects = append(cfg.FilterSubjects, r.prefix.Subject(k))
	}
	if len(cfg.FilterSubjects) == 0 {
		// The stream may hold subjects of somebody else.
		cfg.FilterSubjects = []string{r.prefix.All()}
	}
	switch {
	case o.FromStart:
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	case !o.Since.IsZero():
		cfg.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		cfg.OptStartTime = &o.Since
	}
	return cfg
}
