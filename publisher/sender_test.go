package publisher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

func TestClassify(t *testing.T) {
	api := func(code server.ErrorIdentifier, description string) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{ErrorCode: jetstream.ErrorCode(code), Description: description})
	}
	tests := []struct {
		name string
		err  error
		want fate
	}{
		{"deadline", context.DeadlineExceeded, fateUnknown},
		{"closed-perhaps-after-sending", nats.ErrConnectionClosed, fateUnknown},
		{"disconnected", nats.ErrDisconnected, fateUnknown},
		{"write-error", io.ErrShortWrite, fateUnknown},
		{"ack-not-understood", jetstream.ErrInvalidJSAck, fateUnknown},
		{"no-responders", jetstream.ErrNoStreamResponse, fateRefused},
		{"no-reconnect-buffer", nats.ErrReconnectBufExceeded, fateNotSent},
		{"max-payload", nats.ErrMaxPayload, fateRefusedSize},
		{"bytes-full", api(server.JSStreamStoreFailedF, server.ErrMaxBytes.Error()), fateRefused},
		{"msgs-full", api(server.JSStreamStoreFailedF, server.ErrMaxMsgs.Error()), fateRefused},
		{"store-closed", api(server.JSStreamStoreFailedF, server.ErrStoreClosed.Error()), fateUnknown},
		{"file-store-limit", api(server.JSStreamStoreFailedF, server.ErrMsgTooLarge.Error()), fateRefusedSize},
		{"max-msg-size", api(server.JSStreamMessageExceedsMaximumErr, ""), fateRefusedSize},
		{"sealed", api(server.JSStreamSealedErr, ""), fateRefusedEver},
		{"other-stream", api(server.JSStreamNotMatchErr, ""), fateRefused},
		{"resources", api(server.JSInsufficientResourcesErr, ""), fateRefused},
		{"account-resources", api(server.JSAccountResourcesExceededErr, ""), fateRefused},
		{"sequence-in-cluster", api(server.JSStreamSequenceNotMatchErr, ""), fateUnknown},
		{"duplicate-in-process", api(server.JSStreamDuplicateMessageConflict, ""), fateUnknown},
		{"not-leader", api(server.JSClusterNotLeaderErr, ""), fateUnknown},
		{"new-error", api(19999, "who knows"), fateUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := classify(tt.err).fate; got != tt.want {
				t.Errorf("classify(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

// A sealed stream, and a publish with a context that is over: nothing stored.
func TestSendToRealStreams(t *testing.T) {
	n := startNATS(t)
	p := open(t, options(t, n.url))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	msgs := make([]message, 0, 2)
	for _, id := range []string{"a", "b"} {
		m, err := eventMessage(p.prefix, p.cfg.Stream, anEvent(id, `{}`))
		if err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, m)
	}
	fates := func(out []outcome) (f []fate) {
		for _, o := range out {
			f = append(f, o.fate)
		}
		return f
	}
	// The guard against hanging writes may win the race; never "stored".
	for _, o := range p.sender.inOrder(over, msgs) {
		if o.fate != fateNotSent {
			t.Errorf("context over: %v, want %v", o.fate, fateNotSent)
		}
	}
	out := p.sender.send(t.Context(), msgs[:1])
	if out[0].fate != fateStored || out[0].seq != 1 || out[0].duplicate {
		t.Errorf("first: %+v, want sequence 1", out[0])
	}
	s, err := n.js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.Sealed = true
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got, want := fates(p.sender.send(t.Context(), msgs)), []fate{fateRefusedEver, fateNotSent}; !slices.Equal(got, want) {
		t.Errorf("sealed: %v, want %v", got, want)
	}
	if err := p.Accept(t.Context(), delivery("c")); !errors.Is(err, schema.ErrUnavailable) {
		t.Errorf("sealed: Accept = %v, want %v", err, schema.ErrUnavailable)
	}
	eventually(t, "unready", func() bool { return !p.Status().Ready })
}

// A server that does not read makes the client's write hang with its lock
// held. Accept and Status answer in time all the same.
func TestHangingWriteDoesNotHoldAccept(t *testing.T) {
	n := startNATS(t)
	px := startProxy(t, n.url)
	o := options(t, px.url())
	o.Config.AckTimeout = 300 * time.Millisecond
	p := open(t, o)
	px.stall.Store(true)
	pad := `"` + strings.Repeat("x", 900_000) + `"`
	began := time.Now()
	var load sync.WaitGroup
	var unknown atomic.Int64
	for i := range 40 { // more than the socket buffers hold
		load.Go(func() {
			err := p.Accept(t.Context(), schema.Delivery{Events: []schema.Event{anEvent(fmt.Sprint("e", i), pad)}})
			switch {
			case errors.Is(err, schema.ErrOutcomeUnknown):
				unknown.Add(1)
			case !errors.Is(err, schema.ErrUnavailable): // its time was up before its turn to write came
				t.Errorf("Accept = %v, want %v or %v", err, schema.ErrOutcomeUnknown, schema.ErrUnavailable)
			}
		})
	}
	load.Wait()
	if unknown.Load() == 0 {
		t.Errorf("no Accept ended with %v", schema.ErrOutcomeUnknown)
	}
	p.Status()
	if err := p.Accept(t.Context(), delivery("small")); err == nil {
		t.Error("Accept = nil, want an error")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v, want about 600ms", took)
	}
	px.stall.Store(false)
	eventually(t, "accepted again", func() bool { return p.Accept(t.Context(), delivery("after")) == nil })
}
