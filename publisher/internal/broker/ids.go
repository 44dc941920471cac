package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
)

const (
	scanChunk     = 512              // ids that are in memory at once
	scanByLeader  = 16               // so short a range is read message by message
	scanAbandoned = 30 * time.Second // after it the server removes a consumer that could not be deleted
	deleteTimeout = 2 * time.Second
)

// IDs returns the ids of the messages from one sequence to another, both included,
// in ascending order. It ends with an error unless everything in the range was
// seen. A message without an id has "". It needs the memory of a few hundred ids.
//
// A consumer that sends headers only reads the range. It may run on a replica that is
// behind the leader, or end with its server, and the end of the range may be deleted
// meanwhile; so an end of its messages proves nothing. The range is complete when a message at
// its end or behind it was seen, with no gap in the consumer's own count, or when the
// leader says that nothing of it is left. What the replica itself lacks in the middle,
// since its disk lost it, cannot be seen from here.
func (s *Stream) IDs(ctx context.Context, from, to uint64) iter.Seq2[At, error] {
	return func(yield func(At, error) bool) {
		if from > to {
			return
		}
		ctx, end := s.conn.WhileUp(ctx)
		defer end()
		scanning, stop := context.WithCancel(ctx)
		defer stop()
		r := &rangeReader{stream: s, next: max(from, 1), to: to, out: make(chan []At)}
		result := make(chan error, 1)
		s.busy.Go(func() { result <- r.run(scanning) })
		for {
			select {
			case chunk := <-r.out:
				for _, at := range chunk {
					if !yield(at, nil) {
						stop()
						select {
						case <-result: //nolint:errcheck // it means that the consumer is deleted
						case <-ctx.Done():
						}
						return
					}
				}
			case err := <-result:
				if err != nil {
					yield(At{}, fmt.Errorf("read ids of stream %s: %w", s.name, err))
				}
				return
			case <-ctx.Done():
				yield(At{}, fmt.Errorf("read ids of stream %s: %w", s.name, context.Cause(ctx)))
				return
			}
		}
	}
}

// rangeReader reads the ids of a range of a stream, in one goroutine.
type rangeReader struct {
	stream *Stream
	next   uint64 // ids of all lower sequences were read
	to     uint64
	out    chan []At
}

// errConsumer makes the reader continue with a new consumer.
var errConsumer = errors.New("the consumer lost messages")

func (r *rangeReader) run(ctx context.Context) error {
	for r.next <= r.to {
		var err error
		if r.to-r.next >= scanByLeader {
			err = r.byConsumer(ctx)
		}
		upTo := min(r.to, r.next+scanByLeader)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case RefusesConsumer(err):
			upTo = r.to
			r.stream.refused(err)
		}
		// A few by the leader: they are all, or the replica is behind it, or the
		// consumer is gone. So each turn gets on.
		if err := r.byLeader(ctx, upTo); err != nil {
			return err
		}
	}
	return nil
}

// RefusesConsumer reports whether err says that the stream takes no consumer: too many, a work
// queue, a limit of the account, no permission.
func RefusesConsumer(err error) bool {
	if errors.Is(err, link.ErrDenied) || errors.Is(err, jetstream.ErrConsumerMultipleFilterSubjectsNotSupported) {
		return true
	}
	api, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || api.Code == 503 {
		return false // it is for a moment
	}
	return api.ErrorCode != jetstream.JSErrCodeConsumerNotFound && api.ErrorCode != jetstream.JSErrCodeStreamNotFound
}

// refused logs why the stream takes no consumer, each reason once.
func (s *Stream) refused(err error) {
	if why := err.Error(); s.refusal.Swap(why) != why {
		s.conn.log.Warn("the stream takes no consumer: its ids are read one by one", zap.String("stream", s.name), zap.Error(err))
	}
}

// byConsumer reads on until the range is complete, the consumer has nothing more, or it ends.
func (r *rangeReader) byConsumer(ctx context.Context) error {
	js, name := r.stream.conn.JetStream(), "treble-bridge-"+nuid.Next()
	creating, cancel := r.stream.whilePermitted(ctx, "CONSUMER.CREATE."+r.stream.name+"."+name, requestTimeout)
	defer cancel()
	cons, err := js.CreateConsumer(creating, r.stream.name, headersFrom(r.next, name))
	if errors.Is(err, context.Canceled) {
		return context.Cause(creating)
	}
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := r.stream.whilePermitted(context.WithoutCancel(ctx), "CONSUMER.DELETE."+r.stream.name+"."+name, deleteTimeout)
		defer cancel()
		_ = js.DeleteConsumer(ctx, r.stream.name, name) // or the server does it; see scanAbandoned
	}()
	asking := r.stream.conn.watchRequest(r.stream.conn.cfg.API() + "CONSUMER.MSG.NEXT." + r.stream.name + "." + name)
	defer asking.Stop()
	for delivered := uint64(0); ; {
		batch, err := cons.FetchNoWait(scanChunk)
		if err != nil {
			return err
		}
		chunk, err := idsOf(batch, delivered)
		if err != nil {
			return err
		}
		delivered += uint64(len(chunk))
		if err := r.emit(ctx, chunk); err != nil {
			return err
		}
		if err := batch.Error(); err != nil {
			return err
		}
		select {
		case err := <-asking.Denied: // a denied request gets no answer, which looks like the end
			return err
		default:
		}
		if len(chunk) == 0 || r.next > r.to {
			return nil
		}
	}
}

// headersFrom configures a consumer that reads the headers of a stream from a sequence on.
func headersFrom(seq uint64, name string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Name:              name,
		Description:       "treble-bridge compares its journal with the stream",
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       seq,
		AckPolicy:         jetstream.AckNonePolicy,
		HeadersOnly:       true,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: scanAbandoned,
	}
}

// idsOf reads a batch to its end. It fails with errConsumer unless the batch continues the
// consumer's count, of which delivered messages came before.
func idsOf(batch jetstream.MessageBatch, delivered uint64) ([]At, error) {
	chunk := make([]At, 0, scanChunk)
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		if delivered++; meta.Sequence.Consumer != delivered {
			return nil, errConsumer
		}
		chunk = append(chunk, At{Seq: meta.Sequence.Stream, ID: m.Headers().Get(jetstream.MsgIDHeader)})
	}
	return chunk, nil
}

// whilePermitted returns a context for a request to the JetStream API, which ends after a
// time, or when the server denies the request, which then gets no answer.
func (s *Stream) whilePermitted(ctx context.Context, request string, limit time.Duration) (context.Context, context.CancelFunc) {
	asking := s.conn.watchRequest(s.conn.cfg.API() + request)
	ctx, end := context.WithTimeout(ctx, limit)
	ctx, cancel := context.WithCancelCause(ctx)
	s.busy.Go(func() {
		select {
		case err := <-asking.Denied:
			cancel(err)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		asking.Stop()
		end()
	}
}

// byLeader reads message by message to a sequence, each from the leader of the stream.
func (r *rangeReader) byLeader(ctx context.Context, to uint64) error {
	for r.next <= to {
		at, there, err := r.stream.get(ctx, getRequest{Seq: r.next, NextFor: ">"})
		if err != nil {
			return err
		}
		if !there {
			r.next = r.to + 1 // nothing is left up to the end of the stream
			return nil
		}
		if err := r.emit(ctx, []At{at}); err != nil {
			return err
		}
	}
	return nil
}

// emit passes on the ids that are in the range.
func (r *rangeReader) emit(ctx context.Context, chunk []At) error {
	n := 0
	for _, at := range chunk {
		if at.Seq < r.next {
			return fmt.Errorf("message %d comes after %d", at.Seq, r.next-1)
		}
		r.next = at.Seq + 1
		if at.Seq <= r.to {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	select {
	case r.out <- chunk[:n]:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
