package streammodel_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

const streamName = "TREBLE"

// realBackend is a nats-server in this process, and the bridge's own client.
type realBackend struct {
	*natstest.Server
	t      *testing.T
	s      outbox.Stream
	config streammodel.Config
	copied string // its store
}

func newReal(t *testing.T, config streammodel.Config) *realBackend {
	t.Helper()
	b := &realBackend{Server: natstest.Start(t), t: t, config: config}
	b.create()
	b.dial()
	return b
}

func (b *realBackend) dial() {
	b.t.Helper()
	cfg := natsconfig.Default()
	cfg.URL = b.URL
	c, err := broker.Dial(broker.Options{NATS: cfg, Payload: streammodel.MaxPayload, Log: zap.NewNop()})
	b.must(err)
	s := broker.NewStream(c, streamName, 5*time.Second)
	b.s = s
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Close(ctx)
		s.Wait()
	})
	if !c.AwaitUp(b.t.Context()) {
		b.t.Fatal("no connection")
	}
}

// up starts the server and waits until the client sees it.
func (b *realBackend) up() {
	b.t.Helper()
	b.Restart(b.t)
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	for {
		server, changed := b.s.Link()
		if server == b.ID() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			b.t.Fatal("the client does not reconnect")
		}
	}
}

func (b *realBackend) settings() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: streamName, Subjects: b.config.Subjects, Storage: jetstream.FileStorage,
		AllowAtomicPublish: b.config.Batches, AllowBatchPublish: b.config.Fast, Duplicates: b.config.Duplicates, MaxMsgSize: int32(b.config.MaxMsgSize),
		MaxAge: b.config.MaxAge, MaxMsgs: int64(b.config.MaxMsgs), MaxMsgsPerSubject: int64(b.config.MaxPerSubject),
		Discard: jetstream.DiscardNew, Sealed: b.config.Sealed, AllowDirect: true,
	}
	if b.config.DiscardOld {
		c.Discard = jetstream.DiscardOld
	}
	return c
}

func (b *realBackend) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *realBackend) create() {
	_, err := b.JS.CreateStream(b.t.Context(), b.settings())
	b.must(err)
}

func (b *realBackend) stream() outbox.Stream { return b.s }
func (b *realBackend) wait(d time.Duration)  { <-time.After(d) }
func (b *realBackend) drop()                 { b.must(b.JS.DeleteStream(b.t.Context(), streamName)) }
func (b *realBackend) recreate()             { b.drop(); b.create() }
func (b *realBackend) restart()              { b.up() }

func (b *realBackend) configure(c streammodel.Config) {
	b.config = c
	_, err := b.JS.UpdateStream(b.t.Context(), b.settings())
	b.must(err)
}

func (b *realBackend) purge(upTo uint64) {
	var opts []jetstream.StreamPurgeOpt
	if upTo > 0 {
		opts = append(opts, jetstream.WithPurgeSequence(upTo+1))
	}
	b.must(b.Find(b.t, streamName).Purge(b.t.Context(), opts...))
}

func (b *realBackend) remove(seq uint64) bool {
	err := b.Find(b.t, streamName).DeleteMsg(b.t.Context(), seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) || err != nil && strings.Contains(err.Error(), "no message found") {
		return false
	}
	b.must(err)
	return true
}

// backup copies the store of a server that is stopped.
func (b *realBackend) backup() {
	b.Kill()
	b.copied = b.CopyStore(b.t)
	b.up()
}

func (b *realBackend) restore() {
	b.Kill()
	b.PutBack(b.t, b.copied)
	b.up()
}
