package quarantine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Filter chooses refused bodies. Its parts must all apply; an empty
// one always does. Reasons are left to the server, the others are looked at here.
type Filter struct {
	IDs          []string // any of them
	Reasons      []schema.Reason
	Source, Path string
	Since        time.Time // received at or after it
	Until        time.Time // received before it
}

// Match reports whether a body is chosen.
func (f Filter) Match(q Body) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, q.ID)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, q.Reason)) &&
		(f.Source == "" || f.Source == q.Source) &&
		(f.Path == "" || f.Path == q.Path) &&
		!q.Received.Before(f.Since) && (f.Until.IsZero() || q.Received.Before(f.Until))
}

// Reader reads the stream of the refused bodies, for the client commands. One
// goroutine may use it.
type Reader struct {
	client *client.Client
	stream jetstream.Stream
}

// Open looks for the stream of the bridge that c is for.
func Open(ctx context.Context, c *client.Client) (*Reader, error) {
	s, err := c.Stream(ctx, c.Events().Quarantine())
	if err != nil {
		return nil, err
	}
	return &Reader{client: c, stream: s}, nil
}

// Select yields the chosen bodies, the one that was kept first before the others, and ends
// behind the last that was there when it began, or with an error. The data is not read: see
// Get. It adds to skipped, unless that is nil, the messages that are no refused bodies.
func (r *Reader) Select(ctx context.Context, f Filter, skipped *int64) iter.Seq2[Body, error] {
	return func(yield func(Body, error) bool) {
		info, err := r.stream.Info(ctx)
		if err != nil {
			yield(Body{}, fmt.Errorf("look at stream %s: %w", r.stream.CachedInfo().Config.Name, err))
			return
		}
		if info.State.Msgs == 0 {
			return
		}
		o := client.FollowOptions{Stream: info.Config.Name, FromStart: true, ToSeq: info.State.LastSeq, HeadersOnly: true, StopAtEnd: true}
		for _, reason := range f.Reasons {
			o.Subjects = append(o.Subjects, r.client.Prefix().Quarantine(reason))
		}
		if len(o.Subjects) == 0 {
			o.Subjects = []string{r.client.Prefix().AllQuarantine()}
		}
		for m, err := range r.client.Follow(ctx, o) {
			if err != nil {
				yield(Body{}, err)
				return
			}
			body, ok := decode(m)
			body.Data = nil
			if !ok && skipped != nil {
				*skipped++
			}
			if ok && f.Match(body) && !yield(body, nil) {
				return
			}
		}
	}
}

// ErrGone: the body is not in the quarantine any more.
var ErrGone = errors.New("not in the quarantine any more")

// Get returns the body at a sequence that Select told, or ErrGone.
func (r *Reader) Get(ctx context.Context, seq uint64) (Body, error) {
	m, err := r.stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Body{}, ErrGone
	}
	if err != nil {
		return Body{}, fmt.Errorf("read message %d of the quarantine: %w", seq, err)
	}
	item, ok := decode(client.Message{Sequence: m.Sequence, Stored: m.Time, Subject: m.Subject, Header: m.Header, Data: m.Data})
	if !ok {
		return Body{}, ErrGone
	}
	return item, nil
}

// Drop deletes the body at a sequence, and has the server overwrite its bytes.
// It returns ErrGone if it is not there.
func (r *Reader) Drop(ctx context.Context, seq uint64) error {
	err := r.stream.SecureDeleteMsg(ctx, seq)
	if err == nil {
		return nil
	}
	// The server has one code for whatever keeps it from deleting.
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		if _, getErr := r.Get(ctx, seq); errors.Is(getErr, ErrGone) {
			return ErrGone
		}
	}
	return fmt.Errorf("delete message %d of the quarantine: %w", seq, err)
}
