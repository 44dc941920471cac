package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// ErrNoStream: no stream takes the subject of an event, or another one than the
// configured does. The next event would fare no better.
var ErrNoStream = errors.New("the event stream is not there")

// PublishEvent stores an event in the event stream as the bridge would: under
// the same subject, with the same headers, without its copies if it is too large
// with them. There is no journal behind it. It returns when the stream has the
// event; the bool says that the stream had it before, by its id. The error is
// ErrNoStream, or a *delivery.TooLargeError, or what the connection says.
func (c *Client) PublishEvent(ctx context.Context, e schema.Event) (duplicate bool, err error) {
	limit := c.nc.MaxPayload()
	m, err := new(encoder).fitting(c.Prefix(), e, limit)
	if err != nil {
		return false, err
	}
	if size := m.Size(); size > limit {
		return false, &delivery.TooLargeError{Size: size, Limit: limit}
	}
	if err := c.checkTaker(ctx, m.Subject); err != nil {
		return false, err
	}
	ack, err := c.js.PublishMsg(ctx, m.NATS())
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return false, c.nobodyTakes(m.Subject)
	case err != nil:
		return false, fmt.Errorf("publish to %s: %w", m.Subject, err)
	case ack.Stream != c.cfg.Stream:
		return false, c.otherTakes(ack.Stream, m.Subject)
	case !c.InDomain(ack.Domain):
		return false, fmt.Errorf("%w: that of the JetStream domain %q takes %s", ErrNoStream, ack.Domain, m.Subject)
	}
	return ack.Duplicate, nil
}

// InDomain reports whether a PubAck with a domain can be of the JetStream that the client was
// opened for.
func (c *Client) InDomain(domain string) bool { return c.conn.Config().InDomain(domain) }

// checkTaker makes sure, once for each subject, that the configured stream takes it: a
// message says to no server which stream it is meant for.
func (c *Client) checkTaker(ctx context.Context, subject string) error {
	if _, known := c.taken.Load(subject); known {
		return nil
	}
	name, err := c.js.StreamNameBySubject(ctx, subject)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return c.nobodyTakes(subject)
	case err != nil:
		return fmt.Errorf("look for the stream of %s: %w", subject, err)
	case name != c.cfg.Stream:
		return c.otherTakes(name, subject)
	}
	c.taken.Store(subject, true)
	return nil
}

func (c *Client) nobodyTakes(subject string) error {
	return fmt.Errorf("%w: nothing takes %s; start a bridge, which makes it, or: %s",
		ErrNoStream, subject, Placed(createLine(eventStream(c.cfg)), c.conn.Config()))
}

func (c *Client) otherTakes(other, subject string) error {
	return fmt.Errorf("%w: stream %s, which is not %s, takes %s; set publisher.stream to its name", ErrNoStream, other, c.cfg.Stream, subject)
}
