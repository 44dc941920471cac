package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Watch waits for a probe in the event stream.
type Watch struct {
	stream jetstream.Stream
	found  chan sighting
	stop   context.CancelFunc
	done   sync.WaitGroup
}

type sighting struct {
	seq uint64
	at  time.Time // when it was read here
	err error
}

// Watch begins to look for the probe with an event id. What is posted after it
// returned is not missed. Call Stop.
func (se *Session) Watch(ctx context.Context, eventID string) (*Watch, error) {
	var s jetstream.Stream
	err := se.within(ctx, func(ctx context.Context) (err error) {
		s, err = se.js.Stream(ctx, string(se.o.Client.Events))
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	w := &Watch{stream: s, found: make(chan sighting, 1), stop: stop}
	from := client.FollowOptions{
		FromSeq:  s.CachedInfo().State.LastSeq + 1,
		Subjects: []string{se.client.Prefix().Subject(schema.KindBridgeProbe)},
	}
	w.done.Go(func() {
		for m, err := range se.client.Follow(ctx, from) {
			if err == nil && !slices.Contains(m.Header[schema.HeaderEventID], eventID) {
				continue
			}
			w.found <- sighting{seq: m.Sequence, at: time.Now(), err: err}
			return
		}
	})
	return w, nil
}

// Wait returns where the probe is in the stream, and when it was read.
func (w *Watch) Wait(ctx context.Context) (seq uint64, at time.Time, err error) {
	select {
	case s := <-w.found:
		return s.seq, s.at, s.err
	case <-ctx.Done():
		return 0, time.Time{}, ctx.Err()
	}
}

// Remove deletes the probe securely. When it returns nil the message is gone.
func (w *Watch) Remove(ctx context.Context, seq uint64) error {
	if err := w.stream.SecureDeleteMsg(ctx, seq); err != nil {
		return err
	}
	if _, err := w.stream.GetMsg(ctx, seq); !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("message %d is still there", seq)
	}
	return nil
}

// Stop ends the watch and waits for it.
func (w *Watch) Stop() {
	w.stop()
	w.done.Wait()
}

// NewProbeID returns an event id that no other probe has.
func NewProbeID() string { return "probe-" + nuid.Next() }
