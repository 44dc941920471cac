package replay

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// event is a chosen event on its way to the target.
type event struct {
	client.Message
	kind    schema.Kind
	id      string // of the envelope, for messages to people
	skipped int64  // messages of the run before it that are no events
}

// target takes the events of a run. One goroutine calls begin, send and settle;
// reached and position may be called at the same time.
type target interface {
	// begin starts a pass. What comes now starts behind position.
	begin(ctx context.Context) error
	// send takes one event. An error ends the pass, which is then settled; it may
	// be one of an earlier event.
	send(ctx context.Context, e event) error
	// settle waits until it is known what became of everything sent.
	settle(ctx context.Context) error
	// reached returns the position up to which the target has every event.
	reached() position
	// position returns the position to record: where to go on if the process is killed.
	position() (position, error)
	// close gives up what the target holds.
	close() error
}

// progress tracks what a target has acknowledged.
type progress struct {
	mu sync.Mutex
	at position
}

func (p *progress) reached() position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *progress) position() (position, error) { return p.reached(), nil }

// has notes one more event.
func (p *progress) has(e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at.pass(e)
}

// finalError is a failure that trying again cannot mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

// refusedForGood reports whether JetStream answered with a refusal that a moment later is the
// same. Only what its own recovery may cause is tried again.
func refusedForGood(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && !temporary(api) && api.ErrorCode != jetstream.JSErrCodeConsumerNotFound
}

// maxAhead bounds the events that are published beyond the recorded checkpoint; see
// the package documentation. It bounds what is read back too.
const maxAhead = 20000

// messageID is the Nats-Msg-Id of a replayed event.
func messageID(run string, seq uint64) string { return run + "." + strconv.FormatUint(seq, 10) }

// header returns the header of the replayed message: that of the original, and its origin. Headers
// that instruct the server are left out: they were meant for the original alone.
func header(run string, e event) map[string][]string {
	h := make(map[string][]string, len(e.Header)+4)
	for name, values := range e.Header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") {
			h[name] = slices.Clone(values)
		}
	}
	h[schema.HeaderMsgID] = []string{messageID(run, e.Sequence)}
	h[schema.HeaderReplayRun] = []string{run}
	h[schema.HeaderReplaySequence] = []string{strconv.FormatUint(e.Sequence, 10)}
	h[schema.HeaderReplayStored] = []string{e.Stored.UTC().Format(time.RFC3339Nano)}
	return h
}
