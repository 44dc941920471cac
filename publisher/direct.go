package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// ErrNoStream: no stream takes the subject of an event, or another one than the
// configured does. The next event would fare no better.
var ErrNoStream = errors.New("the event stream is not there")

// PublishEvent stores an event in the event stream as the bridge would: under
// the same subject, with the same headers, without its copies if it is too large
// with them. There is no journal behind it. It returns when the stream has the
// event; the bool says that the stream had it before, by its id. The error is
// ErrNoStream, or a *schema.TooLargeError, or what the connection says.
func (c *Client) PublishEvent(ctx context.Context, e schema.Event) (duplicate bool, err error) {
	limit := c.nc.MaxPayload()
	m, err := fittingMessage(c.Prefix(), e, limit)
	if err != nil {
		return false, err
	}
	if size := m.Size(); size > limit {
		return false, &schema.TooLargeError{Size: size, Limit: limit}
	}
	// Another stream could take it, and then it would be too late.
	if name, err := c.js.StreamNameBySubject(ctx, m.Subject); err == nil && name != c.cfg.Stream {
		return false, fmt.Errorf("%w: a stream that is not %s takes %s; set publisher.stream to its name", ErrNoStream, c.cfg.Stream, m.Subject)
	}
	ack, err := c.js.PublishMsg(ctx, m.NATS())
	if err != nil {
		return false, c.explainPublish(m.Subject, err)
	}
	return ack.Duplicate, nil
}

// explainPublish says what to do about a stream that is not as configured.
func (c *Client) explainPublish(subject string, err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: nothing takes %s; start a bridge, which makes it, or: nats stream add %s --subjects '%s' --defaults",
			ErrNoStream, subject, c.cfg.Stream, c.Prefix().All())
	case errors.As(err, &api) && server.ErrorIdentifier(api.ErrorCode) == server.JSStreamNotMatchErr:
		return fmt.Errorf("%w: a stream that is not %s takes %s; set publisher.stream to its name", ErrNoStream, c.cfg.Stream, subject)
	}
	return fmt.Errorf("publish to %s: %w", subject, err)
}
