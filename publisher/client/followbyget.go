package client

import (
	"context"
	"fmt"
	"sort"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// pollEvery is the interval at which followByGet asks for new messages.
const pollEvery = 250 * time.Millisecond

// followByGet follows a stream that takes no consumer: each message is asked for. That is
// slower, takes nothing from a work queue, and no other setting of a stream can refuse it.
func (c *Client) followByGet(ctx context.Context, o FollowOptions, yield func(Message) bool, why error) error {
	c.log.Warn("the stream takes no consumer: it is read message by message", zap.String("stream", o.Stream), zap.Error(why))
	r := getReader{stream: broker.NewStream(c.conn, o.Stream, c.opts.Timeout), subjects: o.Subjects}
	if len(r.subjects) == 0 {
		r.subjects = []string{">"}
	}
	r.heads = make([]*broker.StoredMessage, len(r.subjects))
	last, err := r.start(ctx, o)
	for err == nil {
		var m *broker.StoredMessage
		m, err = r.next(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !c.conn.Connected():
			if !c.conn.AwaitUp(ctx) {
				return ctx.Err()
			}
			err = nil
			continue
		case err != nil:
		case o.StopAtEnd && (m == nil || m.Seq > last):
			return nil
		case m == nil:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pollEvery):
			}
		default:
			s := Message{Sequence: m.Seq, Stored: m.Time, Subject: m.Subject, Header: m.Header, Data: m.Data, Pending: max(last, m.Seq) - m.Seq}
			if o.HeadersOnly {
				s.Data = nil
			}
			if !yield(s) {
				return nil
			}
		}
	}
	return fmt.Errorf("read stream %s: %w", o.Stream, err)
}

// RefusesConsumer reports whether err says that a stream takes no consumer, whatever is tried.
func RefusesConsumer(err error) bool { return broker.RefusesConsumer(err) }

// getReader reads the messages on some subjects in the order of the stream.
type getReader struct {
	stream   *broker.Stream
	subjects []string
	from     uint64                  // everything below it was read
	heads    []*broker.StoredMessage // the next message of each subject, as far as it is known
}

// start finds where to begin, and the last message that is there now.
func (r *getReader) start(ctx context.Context, o FollowOptions) (last uint64, err error) {
	info, err := r.stream.Info(ctx)
	switch {
	case err != nil:
		return 0, err
	case o.FromSeq > 0:
		r.from = o.FromSeq
	case o.FromStart:
		r.from = 1
	case !o.Since.IsZero():
		r.from, err = r.since(ctx, info, o.Since)
	default:
		r.from = info.Last + 1
	}
	return info.Last, err
}

// since returns the sequence of the first message that was stored at or after a time.
func (r *getReader) since(ctx context.Context, info broker.Info, t time.Time) (uint64, error) {
	var failed error
	n := sort.Search(int(info.Last+1-info.First), func(i int) bool {
		if failed != nil {
			return true
		}
		m, there, err := r.stream.Next(ctx, info.First+uint64(i), ">")
		failed = err
		return !there || !m.Time.Before(t)
	})
	return info.First + uint64(n), failed
}

// next returns the next message, or nil if there is none yet.
func (r *getReader) next(ctx context.Context) (*broker.StoredMessage, error) {
	first, err := r.lowest(ctx)
	if err != nil || first < 0 {
		return nil, err
	}
	// A subject that had no message when it was asked may have one before this by now.
	if first, err = r.lowest(ctx); err != nil {
		return nil, err
	}
	m := r.heads[first]
	r.heads[first], r.from = nil, m.Seq+1
	return m, nil
}

// lowest asks for the heads that are not known, and returns the index of the first message, or
// -1.
func (r *getReader) lowest(ctx context.Context) (int, error) {
	first := -1
	for i, filter := range r.subjects {
		if r.heads[i] == nil {
			m, there, err := r.stream.Next(ctx, r.from, filter)
			if err != nil {
				return -1, err
			}
			if there {
				r.heads[i] = &m
			}
		}
		if h := r.heads[i]; h != nil && (first < 0 || h.Seq < r.heads[first].Seq) {
			first = i
		}
	}
	return first, nil
}
