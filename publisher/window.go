package publisher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// outcome is what became of one message.
type outcome struct {
	fate      fate
	seq       uint64 // of a stored message
	duplicate bool   // stored before, within the duplicate window
	err       error  // why it is not stored, or why that is not known
}

// fate is broker.Fate, and one more.
type fate = broker.Fate

const (
	fateUnknown     = broker.Unknown
	fateStored      = broker.Stored
	fateRefused     = broker.Refused
	fateRefusedSize = broker.RefusedSize
	fateRefusedEver = broker.RefusedEver
	fateNotSent     = broker.NotSent
	fateOutOfOrder  = fate(100) // JetStream did not store it, since the stream does not end as it expects
)

func classify(err error) outcome {
	o := outcome{fate: broker.Classify(err), err: err}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch server.ErrorIdentifier(api.ErrorCode) {
		case server.JSStreamWrongLastMsgIDErrF, server.JSStreamWrongLastSequenceErrF:
			o.fate = fateOutOfOrder
		}
	}
	if o.fate == broker.RefusedSubject {
		o.fate = fateRefused
	}
	return o
}

// window publishes messages with many in flight and keeps their order. It
// belongs to one goroutine.
//
// Plain asynchronous publishing does not keep it: when the third of six is
// refused, four to six are stored. So a message that leaves while others are in
// flight says what the stream must end with for it to be next: the id of the
// message before it (Nats-Expected-Last-Msg-Id), at the sequence that this one
// has if nothing went wrong (Nats-Expected-Last-Sequence). If the one before was
// not stored, this one is refused too, and so on down the chain. The id alone
// would not do: a message that repeats an older one is not stored again, and
// when that older one is the last in the stream, the next message would be let
// in although others before it were refused. The sequence alone would not do
// either: another writer's message could stand in the place of a refused one.
//
// The first message of a chain leaves alone and without a condition, and its
// PubAck tells the sequence to count from. After a break everything from the
// break on is sent again in that way. The chain also breaks where it need not:
// behind a duplicate, which takes up no sequence, and where another bridge
// stored a message in between. Each break costs two round trips and halves the
// width, which grows again with what is stored; so with busy writers beside us
// the window narrows, in the end to one message at a time, and the order holds
// all the same.
type window struct {
	js      asyncPublisher
	stream  string
	timeout time.Duration // for one PubAck
	most    int           // messages in flight

	endSeq   uint64    // where the stream ends once all launched are stored; 0: not known
	endID    string    // of the message there
	width    int       // messages in flight now, at most
	good     int       // messages settled since the width changed
	flying   []*flight // in order, the oldest first
	launched int       // so many of flying were sent
	bytes    int64     // of flying
}

// chainOverhead is what the two conditions add to the size of a message.
const chainOverhead = int64(len(jetstream.ExpectedLastMsgIDHeader) + len(": ") + len("aaaaaaaaaaaaaaaaaaaaaaaaaa\r\n") +
	len(jetstream.ExpectedLastSeqHeader) + len(": ") + len("18446744073709551615\r\n"))

// asyncPublisher is what the window needs of a jetstream.JetStream.
type asyncPublisher interface {
	PublishMsgAsync(*nats.Msg, ...jetstream.PublishOpt) (jetstream.PubAckFuture, error)
}

// flight is one message on its way.
type flight struct {
	broker.Message
	entry   *pumpEntry
	index   int // in the entry
	future  jetstream.PubAckFuture
	sent    time.Time
	again   bool     // it may have been sent before, so a duplicate may be our own first copy
	settled *outcome // nil until its outcome is known
}

// maxFlightBytes bounds what is in flight, but for a single larger message.
const maxFlightBytes = 32 << 20

func newWindow(js asyncPublisher, stream string, timeout time.Duration, most int) *window {
	// Begin narrow: on a slow link a wide window would not be through before
	// the time for its last PubAck is.
	return &window{js: js, stream: stream, timeout: timeout, width: min(16, most), most: most}
}

// room reports whether one more message may be added.
func (w *window) room() bool {
	return len(w.flying) == 0 || len(w.flying) < w.most && w.bytes < maxFlightBytes
}

// add puts f behind the others. One that is settled already only takes its
// place in the order.
func (w *window) add(f *flight) {
	w.flying = append(w.flying, f)
	w.bytes += f.Size()
}

// launch sends what the width allows. An error means that nothing can be sent.
func (w *window) launch() error {
	for w.launched < min(len(w.flying), w.width) {
		if f := w.flying[w.launched]; f.settled == nil {
			if w.endSeq == 0 && w.waiting() {
				return nil // for the PubAck that tells where the stream ends
			}
			if err := w.send(f); err != nil {
				o := classify(err)
				if o.fate != fateRefusedSize && o.fate != fateRefusedEver {
					return err
				}
				f.settled = &o // by the client; it never left, and never will
			}
		}
		w.launched++
	}
	return nil
}

// waiting reports whether a message is in flight.
func (w *window) waiting() bool {
	return slices.ContainsFunc(w.flying[:w.launched], func(f *flight) bool { return f.settled == nil })
}

func (w *window) send(f *flight) error {
	m := f.NATS()
	m.Header = maps.Clone(f.Header)
	m.Header[jetstream.ExpectedStreamHeader] = []string{w.stream}
	chained := w.endSeq > 0 && w.most > 1
	if chained {
		m.Header[jetstream.ExpectedLastMsgIDHeader] = []string{w.endID}
		m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(w.endSeq, 10)}
	}
	future, err := w.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	f.future, f.sent = future, time.Now()
	if chained {
		w.endSeq, w.endID = w.endSeq+1, f.ID
	}
	return nil
}

// head waits until it is known what became of the oldest message. It is
// unknown if no answer comes in time, or ctx ends.
func (w *window) head(ctx context.Context) outcome { return w.wait(ctx, w.flying[0]) }

func (w *window) wait(ctx context.Context, f *flight) outcome {
	if f.settled != nil {
		return *f.settled
	}
	late := time.NewTimer(time.Until(f.sent.Add(w.timeout)))
	defer late.Stop()
	o := outcome{}
	select {
	case ack := <-f.future.Ok():
		o = outcome{fate: fateStored, seq: ack.Sequence, duplicate: ack.Duplicate}
		if ack.Stream != w.stream {
			o = outcome{err: fmt.Errorf("acknowledged by stream %q instead of %q", ack.Stream, w.stream)}
		}
	case err := <-f.future.Err():
		o = classify(err)
	case <-late.C:
		o.err = fmt.Errorf("no PubAck within %s", w.timeout)
	case <-ctx.Done():
		o.err = ctx.Err()
	}
	f.settled = &o
	if o.fate == fateStored && !o.duplicate && w.endSeq == 0 {
		w.endSeq, w.endID = o.seq, f.ID // it was alone in flight
	}
	return o
}

// pop takes out the oldest message, whose outcome was dealt with.
func (w *window) pop() *flight {
	f := w.flying[0]
	w.flying[0] = nil
	w.flying = w.flying[1:]
	w.bytes -= f.Size()
	w.launched = max(0, w.launched-1)
	if len(w.flying) == 0 {
		w.endSeq = 0 // others may write before we do again
	}
	if w.good++; w.good >= w.width {
		w.good, w.width = 0, min(2*w.width, w.most)
	}
	return f
}

// restart takes back what was sent behind a message that was not stored, so
// that launch sends it once more. It waits until nothing of it is on its way,
// or an earlier copy could come behind a later message. It returns an error if
// that cannot be known.
func (w *window) restart(ctx context.Context) error {
	for _, f := range w.flying[:w.launched] {
		if o := w.wait(ctx, f); o.fate == fateUnknown {
			return o.err
		}
	}
	for _, f := range w.flying[:w.launched] {
		if f.settled.fate != fateStored {
			f.settled, f.future = nil, nil
		}
	}
	w.launched, w.endSeq, w.good, w.width = 0, 0, 0, max(1, w.width/2)
	return nil
}
