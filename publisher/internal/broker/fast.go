package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A message of a fast-ingest batch instructs the server by its reply subject, which the server does not
// store:
//
//	<inbox>.<batch>.<flow>.<gap mode>.<sequence in the batch>.<operation>.$FI
const (
	fastStart  = "0"
	fastAppend = "1"
	fastCommit = "2"
	fastSuffix = ".$FI"
	// fastMode asks for as few acknowledgements on the way as there can be (the server sends
	// one each 500 messages at least), and says that a gap ends the batch.
	fastMode = ".65535.fail."
)

var errCut = errors.New("the server ended the batch")

// PublishFast sends two or more messages as one fast-ingest batch, which Info.Fast must
// allow: the server stores each as it comes, in their order, and stops at the first that it
// cannot store. It does not retry, and ends as Publish does. The result is one of
//
//   - Stored: all are in the stream. Count is their number.
//   - PartlyStored: the first Count are in the stream. The others are not, and never will be; Err
//     is about the first of them.
//   - Refused or NotSent: nothing was stored.
//   - Unknown: any number of them may be stored, from the first on.
//
// A repetition is left out by the server, which does not say so: what is acknowledged is in the
// stream, but not all of it need be new, and Last is 0 if nothing is. Messages of another
// writer may be between. If the stream ended Count before Last, neither has happened, and the
// sequences follow.
//
// Orbit's FastPublisher is not used: it waits for an answer to the first message, writes into what
// it is given, and tells an error about one message to a handler apart from the result, while what
// is proven depends on both.
func (s *Stream) PublishFast(ctx context.Context, msgs []Message) Result {
	a := &attempt{stream: s, msgs: msgs, fast: true}
	return a.run(ctx, a.sendFast)
}

// sendFast publishes a fast-ingest batch and waits for the PubAck. A batch that is left without
// its end is forgotten by the server after 10 s.
func (a *attempt) sendFast(ctx context.Context) Result {
	s := a.stream
	for _, m := range a.msgs {
		if m.Size() > s.Limit() {
			return Result{Status: Refused, Err: nats.ErrMaxPayload} // nothing needs to be stored to know it
		}
	}
	nc := s.conn.NATS()
	b := &fastBatch{stream: s, id: nuid.Next(), size: len(a.msgs), done: make(chan Result, 1)}
	inbox, err := s.replies.begin(nc, b.id, b)
	if err != nil {
		return Result{Status: NotSent, Err: fmt.Errorf("subscribe to the answers: %w", err)}
	}
	defer s.replies.end(b.id)
	if err := ctx.Err(); err != nil || !a.commit() {
		return Result{Status: NotSent, Err: errors.Join(err, errHanging)}
	}
	var w wire
	prefix := inbox + "." + b.id + fastMode
	for i, m := range a.msgs {
		msg, op := w.of(m), fastAppend
		switch i {
		case 0:
			op = fastStart
		case b.size - 1:
			op = fastCommit
		}
		msg.Reply = prefix + strconv.Itoa(i+1) + "." + op + fastSuffix
		err := ctx.Err()
		if err == nil {
			err = a.publish(nc, msg)
		}
		if err != nil {
			err = fmt.Errorf("publish message %d of a batch: %w", i+1, err)
			if i == 0 && Classify(err) == NotSent {
				return Result{Status: NotSent, Err: err}
			}
			return Result{Err: err}
		}
	}
	select {
	case r := <-b.done:
		if r.Status == Stored { // else it may come before the last message
			a.watch.Answered(b.size)
		}
		return r
	case <-ctx.Done():
		return Result{Err: ctx.Err()}
	}
}

// fastBatch collects the answers to a batch. They come in the order in which the server wrote
// them: to messages, as they came, and once the PubAck, which ends it.
type fastBatch struct {
	stream *Stream
	id     string
	size   int
	done   chan Result // receives one

	// Only the goroutine of the subscription uses these.
	refused  int   // messages that are proven not to be stored
	unproven bool  // an error proves nothing
	lowest   int   // of the messages with an error; 0: none
	err      error // of that message
	ended    bool
}

// fastAnswer is any answer to a message of a fast-ingest batch: one on the way has a type.
type fastAnswer struct {
	pubAck
	Type string `json:"type"`
}

// answer takes the answer to a message. The words are those of the reply subject behind the id.
func (b *fastBatch) answer(words []string, m *nats.Msg) {
	if len(words) < 3 || b.ended {
		return
	}
	seq, err := strconv.Atoi(words[2])
	if err != nil {
		return
	}
	var a fastAnswer
	switch {
	case len(m.Data) == 0 && m.Header.Get("Status") == "503":
		b.failed(seq, nats.ErrNoResponders)
	case json.Unmarshal(m.Data, &a) != nil:
		b.failed(seq, jetstream.ErrInvalidJSAck)
	case a.Type == "err" && a.Error != nil:
		b.failed(int(a.Sequence), a.Error)
		return // the PubAck follows
	case a.Type != "":
		return // so much is stored, or a gap: the PubAck says how much
	case a.Error != nil && a.Stream != "" && a.Stream != b.stream.name:
		b.failed(seq, otherStream(a.Stream, b.stream.name, a.Error))
	case a.Error != nil:
		b.failed(seq, a.Error)
	case a.Batch == b.id:
		b.end(b.acknowledged(a.pubAck))
	case a.Stream != "" && a.Stream != b.stream.name:
		b.failed(seq, otherStream(a.Stream, b.stream.name, nil))
	default: // of a server that does not know such batches
		b.failed(seq, fmt.Errorf("%w: it does not acknowledge a batch", jetstream.ErrInvalidJSAck))
	}
	if seq == b.size {
		b.end(b.unacknowledged()) // nothing comes behind the answer to the last
	}
}

// failed notes the error of a message.
func (b *fastBatch) failed(seq int, err error) {
	if classifyFast(err) == Unknown {
		b.unproven = true
	} else {
		b.refused++
	}
	if b.lowest == 0 || seq < b.lowest {
		b.lowest, b.err = seq, err
	}
}

func (b *fastBatch) end(r Result) {
	if !b.ended {
		b.ended = true
		b.done <- r
	}
}

// acknowledged returns the result that the PubAck proves.
func (b *fastBatch) acknowledged(ack pubAck) Result {
	switch {
	case ack.Stream != b.stream.name:
		return Result{Err: otherStream(ack.Stream, b.stream.name, nil)}
	case !b.stream.inDomain(ack.Domain):
		return Result{Err: otherDomain(ack.Domain, b.stream.name)}
	case ack.Count < 1 || ack.Count > b.size:
		return Result{Err: fmt.Errorf("%w: sequence %d, %d messages", jetstream.ErrInvalidJSAck, ack.Sequence, ack.Count)}
	case b.lowest > 0 && b.lowest <= ack.Count:
		// The server counts a message that it could not write.
		return Result{Err: fmt.Errorf("message %d of a batch: %w", b.lowest, b.err)}
	case ack.Count < b.size:
		why := errCut
		if b.lowest == ack.Count+1 {
			why = b.err
		}
		return Result{Status: PartlyStored, Count: ack.Count, Last: ack.Sequence, Err: fmt.Errorf("message %d of a batch: %w", ack.Count+1, why)}
	}
	return Result{Status: Stored, Count: ack.Count, Last: ack.Sequence}
}

// unacknowledged returns the result without a PubAck: Refused if that is proven of each message.
func (b *fastBatch) unacknowledged() Result {
	if b.refused == b.size && !b.unproven {
		return Result{Status: Refused, Err: b.err}
	}
	if b.err == nil {
		b.err = errCut
	}
	return Result{Err: fmt.Errorf("message %d of a batch: %w", max(b.lowest, 1), b.err)}
}
