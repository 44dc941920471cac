package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// Message is a message as a stream holds it.
type Message struct {
	Sequence uint64    // position in the stream, from 1
	Stored   time.Time // when the server stored it
	Subject  string
	Header   map[string][]string
	Data     []byte // of an event the envelope; see schema.Decode
	Pending  uint64 // messages that match and are stored behind this one
}

// FollowOptions say which messages to read. The zero value is: all events, only
// those that are stored from now on, until the context ends.
type FollowOptions struct {
	Stream      string    // empty: the event stream
	Subjects    []string  // empty: all of the stream, or of the event stream all of the bridge's; they may not overlap
	FromStart   bool      // from the first message in the stream
	FromSeq     uint64    // from the first message at or behind it; goes before the others
	Since       time.Time // from the first message stored at or after it; FromStart goes before it
	ToSeq       uint64    // up to this message, or the last before it; 0: there is no such end
	HeadersOnly bool      // without the data
	StopAtEnd   bool      // return nil when the last message stored so far was read
}

// idle is the time without a message after which Follow asks whether any is left: the
// messages that it waits for may have been removed.
const idle = 5 * time.Second

// Follow yields the stored messages, one after the other in the order of the stream,
// without gaps, also across a reconnect. It ends with an error, which is ctx's when ctx
// ends, or with StopAtEnd or ToSeq behind the last message.
func (c *Client) Follow(ctx context.Context, o FollowOptions) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		within := func(m Message) bool { return o.ToSeq == 0 || m.Sequence <= o.ToSeq }
		err := c.follow(ctx, o, func(m Message) bool { return within(m) && yield(m, nil) && m.Sequence != o.ToSeq })
		if err != nil {
			yield(Message{}, err)
		}
	}
}

// follow calls yield with each message of Follow. It returns nil when yield returns false.
func (c *Client) follow(ctx context.Context, o FollowOptions, yield func(Message) bool) error {
	if o.Stream == "" {
		o.Stream = string(c.opts.Events)
		if len(o.Subjects) == 0 {
			// The stream may hold subjects of another publisher.
			o.Subjects = []string{c.Prefix().All()}
		}
	}
	cons, err := c.js.OrderedConsumer(ctx, o.Stream, o.consumer())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return missing(o.Stream, err)
	}
	if broker.RefusesConsumer(err) {
		return c.followByGet(ctx, o, yield, err)
	}
	if err != nil {
		return fmt.Errorf("read stream %s: %w", o.Stream, err)
	}
	defer c.release(ctx, o.Stream, cons)
	if o.StopAtEnd && cons.CachedInfo().NumPending == 0 {
		return nil
	}
	msgs, err := cons.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", o.Stream, err)
	}
	defer msgs.Stop()
	// While NATS is away the client makes its consumer again, for ever and
	// without a look at ctx; only Stop ends that.
	defer context.AfterFunc(ctx, msgs.Stop)()
	return c.consume(ctx, o, cons, msgs, yield)
}

// consume yields the messages of a consumer, as follow does.
func (c *Client) consume(ctx context.Context, o FollowOptions, cons jetstream.Consumer, msgs jetstream.MessagesContext, yield func(Message) bool) error {
	var got received
	for {
		m, err := next(ctx, msgs)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case o.StopAtEnd && errors.Is(err, context.DeadlineExceeded):
			info, err := cons.Info(ctx)
			if err == nil && got.all(info) {
				return nil
			}
			if err := c.silent(o.Stream, &got, info, err); err != nil {
				return err
			}
			continue
		case errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			return fmt.Errorf("read stream %s: %w", o.Stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read stream %s: %w", o.Stream, err)
		}
		got = received{consumer: meta.Consumer, messages: meta.Sequence.Consumer}
		more := yield(Message{
			Sequence: meta.Sequence.Stream,
			Stored:   meta.Timestamp,
			Subject:  m.Subject(),
			Header:   m.Headers(),
			Data:     m.Data(),
			Pending:  meta.NumPending,
		})
		if !more || o.StopAtEnd && meta.NumPending == 0 {
			return nil
		}
	}
}

// received counts the messages that came from a consumer, and the periods of idle in which none came.
type received struct {
	consumer string
	messages uint64
	silent   int
}

// all reports whether a consumer has nothing left, and what it sent came here.
func (r received) all(info *jetstream.ConsumerInfo) bool {
	return info.NumPending == 0 && (info.Delivered.Consumer == 0 || info.Name == r.consumer && info.Delivered.Consumer <= r.messages)
}

// mostSilent is the number of periods of idle without a message, although some are pending, after
// which Follow fails.
const mostSilent = 3

// silent returns an error if no message came for long although NATS is connected, and the consumer
// has messages or says that it sent some. That happens where an account imports the API and the
// answers are not exported with it.
func (c *Client) silent(stream string, r *received, info *jetstream.ConsumerInfo, err error) error {
	if !c.nc.IsConnected() {
		r.silent = 0 // it comes back, and the client begins again
		return nil
	}
	if r.silent++; r.silent < mostSilent {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read stream %s: no message came for %s: %w", stream, mostSilent*idle, c.conn.Config().ExplainNoResponders(err))
	}
	why := ""
	if c.conn.Config().APIPrefix != "" {
		why = `; the export of $JS.API.> needs "response: stream" (docs/operations.md, "NATS where it lives")`
	}
	return fmt.Errorf("read stream %s: no message came for %s, and NATS has %d to send and says that it sent %d, of which %d came%s",
		stream, mostSilent*idle, info.NumPending, info.Delivered.Consumer, r.messages, why)
}

// release deletes the consumer of a Follow that is done. The server would do that by itself
// after FollowAbandoned; until then it would be listed among those of the services.
func (c *Client) release(ctx context.Context, stream string, cons jetstream.Consumer) {
	info := cons.CachedInfo()
	if info == nil || !c.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_ = c.js.DeleteConsumer(ctx, stream, info.Name) // if this fails, the server removes it after FollowAbandoned
}

// FollowAbandoned is the time after which the server removes the consumer of a command that was
// killed. Until then it counts among those that the stream may have.
const FollowAbandoned = time.Minute

// releaseTimeout bounds the deletion of a consumer that the server would delete by itself.
const releaseTimeout = time.Second

// next waits for a message until ctx ends, or for a while.
func next(ctx context.Context, msgs jetstream.MessagesContext) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	return msgs.Next(jetstream.NextContext(ctx))
}

// consumer lets the server choose, so that only what is wanted travels.
func (o FollowOptions) consumer() jetstream.OrderedConsumerConfig {
	cfg := jetstream.OrderedConsumerConfig{
		DeliverPolicy:     jetstream.DeliverNewPolicy,
		FilterSubjects:    o.Subjects,
		HeadersOnly:       o.HeadersOnly,
		InactiveThreshold: FollowAbandoned,
	}
	switch {
	case o.FromSeq > 0:
		cfg.DeliverPolicy = jetstream.DeliverByStartSequencePolicy
		cfg.OptStartSeq = o.FromSeq
	case o.FromStart:
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	case !o.Since.IsZero():
		cfg.DeliverPolicy = jetstream.DeliverByStartTimePolicy
		cfg.OptStartTime = &o.Since
	}
	return cfg
}
