package setaside

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Retrier publishes messages from the set-aside. One goroutine may use it.
type Retrier struct {
	conn               *broker.Conn
	files              Dir
	events, quarantine *broker.Stream
	prefix             schema.Prefix
	timeout            time.Duration
}

// RetryOptions say where a Retrier publishes.
type RetryOptions struct {
	Events  schema.StreamName
	Prefix  schema.Prefix // of the subjects
	Timeout time.Duration // for a PubAck
}

// NewRetrier returns a Retrier that owns the connection: Close closes it.
func NewRetrier(c *broker.Conn, files Dir, o RetryOptions) *Retrier {
	return &Retrier{
		conn: c, files: files, prefix: o.Prefix, timeout: o.Timeout,
		events:     broker.NewStream(c, string(o.Events), o.Timeout),
		quarantine: broker.NewStream(c, o.Events.Quarantine(), o.Timeout),
	}
}

// Close ends the connection.
func (r *Retrier) Close() {
	r.conn.NATS().Close()
	r.events.Wait()
	r.quarantine.Wait()
}

// Retried is the result of publishing a message again.
type Retried struct {
	Stream    string
	Sequence  uint64 // in the stream
	Duplicate bool   // the stream had it already; nothing was added
}

// ErrAway: NATS did not answer, so that other messages need not be tried now.
var ErrAway = errors.New("NATS does not answer")

// Retry publishes m as Publish does, and removes its file when JetStream has acknowledged it. If
// that does not work, the file stays.
func (r *Retrier) Retry(ctx context.Context, m Message) (Retried, error) {
	done, err := r.Publish(ctx, m)
	if err != nil {
		return done, err
	}
	if err := r.files.remove(m.File); err != nil {
		return done, fmt.Errorf("it is stored in stream %s, but its file is still there: %w", done.Stream, err)
	}
	return done, nil
}

// Publish publishes m to the stream it belongs to. The error wraps ErrAway if the next message
// would fare the same. A message that was stored, and its answer lost, is known to the
// stream by its id within the duplicate window.
func (r *Retrier) Publish(ctx context.Context, m Message) (Retried, error) {
	if m.Damaged != nil {
		return Retried{}, m.Damaged
	}
	stream, msg := r.events, m.message
	if m.isRefusedBody() {
		stream = r.quarantine
	}
	msg.Subject = SubjectUnder(r.prefix, msg)
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	limit, err := limitOf(ctx, stream)
	if err != nil {
		return Retried{}, err
	}
	if size := msg.Size(); size > limit {
		return Retried{}, fmt.Errorf("still too large: it has %d bytes, NATS takes %d", size, limit)
	}
	got := stream.Publish(ctx, []broker.Message{msg})
	switch got.Status {
	case broker.Stored:
		return Retried{Stream: stream.Name(), Sequence: got.First, Duplicate: got.Duplicate}, nil
	case broker.Unknown:
		return Retried{}, fmt.Errorf("%w: no PubAck, so it may be stored or not: %w", ErrAway, got.Err)
	case broker.NotSent:
		return Retried{}, fmt.Errorf("%w: %w", ErrAway, got.Err)
	}
	return Retried{}, fmt.Errorf("refused by stream %s: %w", stream.Name(), got.Err)
}

// SubjectUnder returns the subject of a message of the bridge under a prefix: it may have been encoded
// under another.
func SubjectUnder(p schema.Prefix, m broker.Message) string {
	if reason := m.Header.Get(schema.HeaderReason); reason != "" {
		return p.Quarantine(schema.Reason(reason))
	}
	kind := m.Header.Get(schema.HeaderKind)
	rest, same := strings.CutPrefix(m.Subject, string(p)+".")
	if kind == "" || same && rest == kind {
		return m.Subject
	}
	return p.Subject(schema.Kind(kind))
}

// limitOf is the size of the largest message that the stream takes.
func limitOf(ctx context.Context, s *broker.Stream) (int64, error) {
	info, err := s.Info(ctx)
	switch {
	case errors.Is(err, broker.ErrNoStream):
		return 0, fmt.Errorf("stream %s does not exist; the bridge makes it when it starts (publisher.stream, publisher.streams)", s.Name())
	case err != nil:
		return 0, fmt.Errorf("%w: %w", ErrAway, err)
	}
	limit := s.Limit()
	if info.MaxMsgSize > 0 {
		limit = min(limit, info.MaxMsgSize)
	}
	return limit, nil
}
