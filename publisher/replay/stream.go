package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

const (
	maxInFlight      = 256
	maxInFlightBytes = 32 << 20 // but for a single larger message
	ackTimeout       = 10 * time.Second
)

// streamTarget stores events in a stream, each exactly once per run.
type streamTarget struct {
	client  *client.Client
	run     string
	stream  string
	subject string    // with {kind}
	made    time.Time // when the stream was made
	lease   *lease

	have     map[uint64]struct{} // sequences behind the position that are stored; from reading back
	inFlight []*publish          // in order, the oldest first
	bytes    int64               // of inFlight
	settled  int                 // events of this pass that are stored
	sent     int64               // events of the run up to the last one that was sent
	broken   error               // why this pass ended
	progress
}

// publish is an event in flight, or one that the target has already.
type publish struct {
	event
	future jetstream.PubAckFuture // nil: the target has it
	began  time.Time
	ack    *jetstream.PubAck // what became of it, once that is known
	err    error
}

func (t *streamTarget) close() error { return nil }

// begin reads what the target has of the run behind the position.
func (t *streamTarget) begin(ctx context.Context) error {
	at := t.reached()
	t.have, t.inFlight, t.bytes, t.settled, t.sent, t.broken = map[uint64]struct{}{}, nil, 0, 0, at.Done, nil
	last, err := t.lastSequence(ctx)
	if err != nil || last <= at.Target {
		return err
	}
	o := client.FollowOptions{
		Stream:      t.stream,
		Subjects:    []string{subjectPattern(t.subject)},
		FromSeq:     at.Target + 1,
		ToSeq:       last, // what comes behind it is another publisher's
		HeadersOnly: true,
		StopAtEnd:   true,
	}
	for m, err := range t.client.Follow(ctx, o) {
		if err != nil {
			return fmt.Errorf("read back what was stored: %w", err)
		}
		if h := nats.Header(m.Header); h.Get(schema.HeaderReplayRun) == t.run {
			if seq, err := strconv.ParseUint(h.Get(schema.HeaderReplaySequence), 10, 64); err == nil && seq > at.Sequence {
				t.have[seq] = struct{}{}
			}
		}
	}
	return nil
}

// lastSequence returns the last sequence of the stream, if it is the one that the run began
// with.
func (t *streamTarget) lastSequence(ctx context.Context) (uint64, error) {
	s, err := t.client.JetStream().Stream(ctx, t.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, finalError{fmt.Errorf("stream %s is gone", t.stream)}
	}
	if err != nil {
		return 0, fmt.Errorf("look at stream %s: %w", t.stream, err)
	}
	if info := s.CachedInfo(); info.Created.Equal(t.made) {
		return info.State.LastSeq, nil
	}
	return 0, finalError{fmt.Errorf("stream %s was made again since the run began: begin a new run", t.stream)}
}

func (t *streamTarget) send(ctx context.Context, e event) error {
	if err := t.pop(ctx); err != nil {
		return err
	}
	for len(t.inFlight) > 0 && (len(t.inFlight) >= maxInFlight || t.bytes+int64(len(e.Data)) > maxInFlightBytes) {
		if err := t.head(ctx); err != nil {
			return err
		}
	}
	t.sent++
	if _, ok := t.have[e.Sequence]; ok {
		delete(t.have, e.Sequence)
		t.inFlight = append(t.inFlight, &publish{event: e})
		t.bytes += int64(len(e.Data))
		return nil
	}
	if err := t.lease.await(ctx, func(p position) bool { return t.sent-p.Done <= maxAhead }); err != nil {
		return err
	}
	h := header(t.run, e)
	h[jetstream.ExpectedStreamHeader] = []string{t.stream}
	// No retries: the client's own would send it again behind later ones.
	future, err := t.client.JetStream().PublishMsgAsync(
		&nats.Msg{Subject: subjectFor(t.subject, e.kind), Header: h, Data: e.Data}, jetstream.WithRetryAttempts(0))
	if err != nil {
		t.broken = t.judge(ctx, e, err)
		return t.broken
	}
	t.inFlight = append(t.inFlight, &publish{event: e, future: future, began: time.Now()})
	t.bytes += int64(len(e.Data))
	return nil
}

// pop takes out the oldest ones of which it is known what became.
func (t *streamTarget) pop(ctx context.Context) error {
	for len(t.inFlight) > 0 {
		f := t.inFlight[0]
		if f.future != nil && !f.known() {
			return nil
		}
		if err := t.head(ctx); err != nil {
			return err
		}
	}
	return nil
}

// head waits for the oldest one's PubAck.
func (t *streamTarget) head(ctx context.Context) error {
	f := t.inFlight[0]
	if f.future == nil {
		return t.stored(f, nil)
	}
	ack, err := f.wait(ctx)
	switch {
	case err == nil:
		return t.stored(f, ack)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	t.broken = t.judge(ctx, f.event, err)
	return t.broken
}

// known reports whether there is an answer.
func (f *publish) known() bool {
	if f.ack == nil && f.err == nil {
		select {
		case f.ack = <-f.future.Ok():
		case f.err = <-f.future.Err():
		default:
		}
	}
	return f.ack != nil || f.err != nil
}

// wait returns the answer, once there is one.
func (f *publish) wait(ctx context.Context) (*jetstream.PubAck, error) {
	if f.known() {
		return f.ack, f.err
	}
	late := time.NewTimer(time.Until(f.began.Add(ackTimeout)))
	defer late.Stop()
	select {
	case f.ack = <-f.future.Ok():
	case f.err = <-f.future.Err():
	case <-late.C:
		f.err = errNoAck
	case <-ctx.Done():
		return nil, ctx.Err() // it may be asked again
	}
	return f.ack, f.err
}

var errNoAck = fmt.Errorf("no PubAck within %s", ackTimeout)

// stored notes that the target has the oldest one.
func (t *streamTarget) stored(f *publish, ack *jetstream.PubAck) error {
	if ack != nil && (ack.Stream != t.stream || !t.client.Broker().Config().InDomain(ack.Domain)) {
		return finalError{fmt.Errorf("event %s at sequence %d was stored in stream %q (JetStream domain %q) instead of %q", f.id, f.Sequence, ack.Stream, ack.Domain, t.stream)}
	}
	t.inFlight[0] = nil
	t.inFlight = t.inFlight[1:]
	t.bytes -= int64(len(f.Data))
	t.settled++
	t.has(f.event)
	if ack != nil && t.settled > maxAhead {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.at.Target = ack.Sequence // see the package documentation
	}
	return nil
}

// settle waits for everything in flight. The position moves up to the first event
// that is not stored; what is stored behind it is found by the next pass.
func (t *streamTarget) settle(ctx context.Context) error {
	for t.broken == nil && len(t.inFlight) > 0 {
		if err := t.head(ctx); err != nil && t.broken == nil {
			return err // ctx has ended
		}
	}
	for _, f := range t.inFlight {
		if f.future != nil {
			_, _ = f.wait(ctx)
		}
	}
	return t.broken
}

// judge returns the error of a publish that failed, as a finalError if trying again cannot help.
func (t *streamTarget) judge(ctx context.Context, e event, err error) error {
	err = fmt.Errorf("publish event %s, at sequence %d, to stream %s: %w", e.id, e.Sequence, t.stream, err)
	switch api, refused := errors.AsType[*jetstream.APIError](err); {
	case refused && !temporary(api),
		refusedByClient(err),
		errors.Is(err, errNoAck) && errors.Is(t.client.Conn().LastError(), nats.ErrPermissionViolation):
		return finalError{err}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		// Nobody listens on the subject: for a moment, or for ever.
		if _, gone := t.lastSequence(ctx); isFinal(gone) {
			return gone
		}
	}
	return err
}

// refusedByClient reports whether the client will never send it.
func refusedByClient(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrBadHeaderMsg)
}

// temporary reports whether a refusal may be over soon.
func temporary(err *jetstream.APIError) bool {
	switch server.ErrorIdentifier(err.ErrorCode) {
	case server.JSStreamStoreFailedF: // of a full stream, or of one that is just closed
		return !strings.Contains(err.Description, "maximum") && !strings.Contains(err.Description, server.ErrMsgTooLarge.Error())
	case server.JSStreamDuplicateMessageConflict: // a first copy is still being stored
		return true
	}
	return err.Code == 503
}
