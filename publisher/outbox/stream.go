package outbox

import (
	"context"
	"iter"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// Stream has the operations of a stream that the outbox needs. broker.Stream
// is the real one; the simulation has a model of it, and a test holds the two
// against each other.
//
// Every method returns soon after the link is lost or ctx ends, whatever the
// network does.
type Stream interface {
	// Link returns the server process that the connection leads to, "" while there is no
	// connection, and a channel that is closed at the next change.
	Link() (server string, changed <-chan struct{})
	// Limit is the size of the largest message, headers included, that the server takes,
	// as far as it is known; before the first contact it is a guess.
	Limit() int64
	// Info looks at the stream now. The error is ErrNoStream if there is none of that name.
	Info(ctx context.Context) (broker.Info, error)
	// Publish sends messages so that all of them are stored, next to each other and in
	// their order, or none: one as a plain publish, several as an atomic batch, which
	// Info.Batches must allow. It does not retry.
	Publish(ctx context.Context, msgs []broker.Message) broker.Result
	// PublishFast sends several messages so that they are stored in their order, up to the first
	// that cannot be, as a fast-ingest batch, which Info.Fast must allow. What it left out
	// as a repetition it does not say: see broker.Stream.
	PublishFast(ctx context.Context, msgs []broker.Message) broker.Result
	// ID returns the Nats-Msg-Id of the message at a sequence; there is false if no
	// message is there.
	ID(ctx context.Context, seq uint64) (id string, there bool, err error)
	// IDs returns the ids of the messages from one sequence to another, both included,
	// in ascending order. It ends with an error unless everything in the range was
	// seen. A message without an id has "".
	IDs(ctx context.Context, from, to uint64) iter.Seq2[At, error]
}

// At is a message's place in a stream.
type At = broker.At

// ErrNoStream: there is no stream of the configured name.
var ErrNoStream = broker.ErrNoStream
