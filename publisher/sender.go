package publisher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// outcome is what became of one message.
type outcome struct {
	fate      fate
	seq       uint64 // of a stored message
	duplicate bool   // stored before, within the duplicate window
	err       error  // why it is not stored, or why that is not known
}

// fate is the part of an outcome that decides what to do next. The zero value
// is the safe one: nothing is known.
type fate int

const (
	fateUnknown     fate = iota // sent, or perhaps sent; it may be stored now or later
	fateStored                  // JetStream acknowledged it
	fateRefused                 // JetStream did not store it; it may the next time
	fateOutOfOrder              // JetStream did not store it, since the stream does not end as it expects
	fateRefusedSize             // JetStream did not store it and never will: too large
	fateRefusedEver             // JetStream did not store it and never will
	fateNotSent                 // not one byte of it left; it cannot be stored
)

// String names the fate, for tests and logs.
func (f fate) String() string {
	return [...]string{"unknown", "stored", "refused", "out-of-order", "refused-size", "refused-ever", "not-sent"}[f]
}

// sender publishes messages to one stream and says what became of each.
type sender struct {
	conn   *conn
	stream string
	busy   sync.WaitGroup
}

func newSender(c *conn, stream string) *sender { return &sender{conn: c, stream: stream} }

// wait returns when no send is at work, the abandoned ones included. Close the
// connection first, or it may take as long as a hanging write.
func (s *sender) wait() { s.busy.Wait() }

// grace is how long send waits for a precise answer after its deadline.
const grace = 50 * time.Millisecond

// send publishes msgs one after the other, each when the one before is stored,
// and returns one outcome for each. After the first that is not stored nothing
// more is sent: so the stored ones are always the first of msgs, in order. It
// settles when ctx does; a ctx that is done sends nothing.
func (s *sender) send(ctx context.Context, msgs []message) []outcome {
	// The client holds its lock while it writes, and a peer that does not read
	// can make that last for seconds, which no context ends. So the write is
	// left behind when the time is up, and what became of it is unknown.
	result := make(chan []outcome, 1)
	s.busy.Go(func() { result <- s.inOrder(ctx, msgs) })
	select {
	case out := <-result:
		return out
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case out := <-result:
		return out
	case <-late.C:
		out := make([]outcome, len(msgs))
		for i := range out {
			out[i].err = fmt.Errorf("write to NATS hangs: %w", ctx.Err())
		}
		return out
	}
}

// inOrder is send without the guard against a hanging write.
func (s *sender) inOrder(ctx context.Context, msgs []message) []outcome {
	out := make([]outcome, len(msgs))
	for i, m := range msgs {
		out[i] = s.one(ctx, m)
		if out[i].fate == fateStored {
			continue
		}
		for j := i + 1; j < len(msgs); j++ {
			out[j] = outcome{fate: fateNotSent, err: errNotReached}
		}
		break
	}
	return out
}

var (
	errNotReached   = errors.New("not sent, since a message before it was not stored")
	errNotConnected = errors.New("not connected to NATS")
)

func (s *sender) one(ctx context.Context, m message) outcome {
	if err := ctx.Err(); err != nil {
		return outcome{fate: fateNotSent, err: err}
	}
	// Without this look a publish during a reconnect is refused by the client
	// all the same, since it has no reconnect buffer; see classify.
	if !s.conn.nc.IsConnected() {
		return outcome{fate: fateNotSent, err: errNotConnected}
	}
	// No retries: the client's own would send a message again whose first
	// attempt was refused, behind later ones of another delivery.
	ack, err := s.conn.js.PublishMsg(ctx, m.nats(), jetstream.WithRetryAttempts(0))
	if err != nil {
		return classify(err)
	}
	if ack.Stream != s.stream {
		return outcome{err: fmt.Errorf("acknowledged by stream %q instead of %q", ack.Stream, s.stream)}
	}
	return outcome{fate: fateStored, seq: ack.Sequence, duplicate: ack.Duplicate}
}

// classify says what an error of a publish proves. Only what is listed proves
// that nothing was stored, each by a look at the source of nats.go 1.55 and
// nats-server 2.15; all else is unknown. Among the unknown on purpose:
//
//   - the end of ctx, a lost or closed connection: the client reports them the
//     same whether the message had left or not;
//   - an error while writing: part of the buffer may have left;
//   - "duplicate message id is in process" (10158): the first copy may yet be
//     stored or not;
//   - "expected last sequence" (10063): the leader of a cluster answers so when
//     the entry is already in the log of its followers.
func classify(err error) outcome {
	o := outcome{err: err}
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		o.fate = classifyAPI(api)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		// The server found nobody to give the message to, and dropped it.
		o.fate = fateRefused
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining):
		// Returned before a byte is put into the write buffer. The buffer
		// itself never survives: nats.go empties it for each new connection.
		o.fate = fateNotSent
	case errors.Is(err, nats.ErrMaxPayload):
		o.fate = fateRefusedSize
	case errors.Is(err, nats.ErrHeadersNotSupported), errors.Is(err, nats.ErrBadHeaderMsg), errors.Is(err, nats.ErrBadSubject):
		o.fate = fateRefusedEver
	}
	return o
}

func classifyAPI(err *jetstream.APIError) fate {
	switch server.ErrorIdentifier(err.ErrorCode) {
	case server.JSStreamNotMatchErr, // the subject belongs to another stream
		server.JSAccountResourcesExceededErr,
		server.JSInsufficientResourcesErr,
		server.JSNoLimitsErr:
		return fateRefused
	case server.JSStreamWrongLastMsgIDErrF, server.JSStreamWrongLastSequenceErrF:
		return fateOutOfOrder
	case server.JSStreamSealedErr:
		return fateRefusedEver
	case server.JSStreamMessageExceedsMaximumErr, server.JSStreamHeaderExceedsMaximumErr:
		return fateRefusedSize
	case server.JSStreamStoreFailedF:
		return classifyStoreFailed(err.Description)
	}
	return fateUnknown
}

// classifyStoreFailed looks at the words, since one code stands for a full
// stream, which proves that nothing was stored, and for a store that was being
// closed, which in a cluster proves nothing.
func classifyStoreFailed(description string) fate {
	for _, full := range []error{server.ErrMaxBytes, server.ErrMaxMsgs, server.ErrMaxMsgsPerSubject} {
		if strings.Contains(description, full.Error()) {
			return fateRefused
		}
	}
	if strings.Contains(description, server.ErrMsgTooLarge.Error()) {
		return fateRefusedSize
	}
	return fateUnknown
}
