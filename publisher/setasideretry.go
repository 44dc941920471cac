package publisher

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/nats-io/nats.go/jetstream"
)

// Retrier publishes messages from the set-aside. One goroutine may use it.
type Retrier struct {
	client  *Client
	files   SetAside
	senders map[string]*sender // by stream
}

// NewRetrier returns a Retrier that owns the client: Close closes it.
func NewRetrier(c *Client, s SetAside) *Retrier {
	return &Retrier{client: c, files: s, senders: map[string]*sender{}}
}

// Close ends the connection.
func (r *Retrier) Close() {
	r.client.Close()
	for _, s := range r.senders {
		s.wait()
	}
}

// Retried is what became of a message that was published again.
type Retried struct {
	Stream    string
	Sequence  uint64 // in the stream
	Duplicate bool   // the stream had it already; nothing was added
}

// ErrAway: NATS did not answer, so that other messages need not be tried now.
var ErrAway = errors.New("NATS does not answer")

// Retry publishes m to the stream it belongs to, and removes its file when
// JetStream has acknowledged it. If that does not work, the file stays, and the
// error says why; it wraps ErrAway if the next message would fare the same.
// A message that was stored, and its answer lost, is known to the stream by its
// id within the duplicate window.
func (r *Retrier) Retry(ctx context.Context, m SetAsideMessage) (Retried, error) {
	if m.Damaged != nil {
		return Retried{}, m.Damaged
	}
	stream := r.client.cfg.Stream
	if m.isRefusedBody() {
		stream = r.client.cfg.quarantineStream()
	}
	msg := m.message
	// The stream may have got another name since.
	msg.header = maps.Clone(msg.header)
	msg.header[jetstream.ExpectedStreamHeader] = []string{stream}
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.AckTimeout)
	defer cancel()
	limit, err := r.limit(ctx, stream)
	if err != nil {
		return Retried{}, err
	}
	if size := msg.size(); size > limit {
		return Retried{}, fmt.Errorf("still too large: it has %d bytes, NATS takes %d", size, limit)
	}
	s := r.senders[stream]
	if s == nil {
		s = newSender(&conn{nc: r.client.nc, js: r.client.js}, stream)
		r.senders[stream] = s
	}
	o := s.send(ctx, []message{msg})[0]
	switch o.fate {
	case fateStored:
	case fateUnknown:
		return Retried{}, fmt.Errorf("%w: no PubAck, so it may be stored or not: %w", ErrAway, o.err)
	case fateNotSent:
		return Retried{}, fmt.Errorf("%w: %w", ErrAway, o.err)
	default:
		return Retried{}, fmt.Errorf("refused by stream %s: %w", stream, o.err)
	}
	done := Retried{Stream: stream, Sequence: o.seq, Duplicate: o.duplicate}
	if err := r.files.remove(m.File); err != nil {
		return done, fmt.Errorf("it is stored in stream %s, but its file is still there: %w", stream, err)
	}
	return done, nil
}

// limit is the size of the largest message that the stream takes.
func (r *Retrier) limit(ctx context.Context, stream string) (int64, error) {
	s, err := r.client.js.Stream(ctx, stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, fmt.Errorf("stream %s does not exist; the bridge makes it when it starts (publisher.stream, publisher.streams)", stream)
	case err != nil:
		return 0, fmt.Errorf("%w: look at stream %s: %w", ErrAway, stream, err)
	}
	limit := r.client.nc.MaxPayload()
	if own := int64(s.CachedInfo().Config.MaxMsgSize); own > 0 {
		limit = min(limit, own)
	}
	return limit, nil
}
