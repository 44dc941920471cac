package streammodel_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/outbox"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

const streamName = "TREBLE"

// realBackend is a nats-server in this process.
type realBackend struct {
	t      *testing.T
	dir    string
	server *server.Server
	port   int
	admin  *nats.Conn
	js     jetstream.JetStream
	s      outbox.Stream
	close  func()
	config streammodel.Config
}

func newReal(t *testing.T, config streammodel.Config) *realBackend {
	b := &realBackend{t: t, dir: t.TempDir(), port: -1, config: config}
	b.start()
	b.create()
	b.s, b.close = dialReal(t, b.url())
	t.Cleanup(func() {
		b.close()
		b.stop()
	})
	return b
}

func (b *realBackend) url() string { return b.server.ClientURL() }

func (b *realBackend) start() {
	b.t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: b.port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: filepath.Join(b.dir, "store"), JetStreamMaxStore: 1 << 40,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.t.Fatal("the server does not come up")
	}
	b.server = s
	b.port = s.Addr().(*net.TCPAddr).Port
	if b.admin, err = nats.Connect(b.url()); err != nil {
		b.t.Fatal(err)
	}
	if b.js, err = jetstream.New(b.admin); err != nil {
		b.t.Fatal(err)
	}
}

func (b *realBackend) stop() {
	b.admin.Close()
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// up starts the server and waits until the stream's client sees it.
func (b *realBackend) up() {
	b.t.Helper()
	b.start()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	for {
		server, changed := b.s.Link()
		if server == b.server.ID() {
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
		AllowAtomicPublish: b.config.Batches, Duplicates: b.config.Duplicates, MaxMsgSize: int32(b.config.MaxMsgSize),
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
	_, err := b.js.CreateStream(b.t.Context(), b.settings())
	b.must(err)
}

func (b *realBackend) real() jetstream.Stream {
	s, err := b.js.Stream(b.t.Context(), streamName)
	b.must(err)
	return s
}

func (b *realBackend) stream() outbox.Stream { return b.s }
func (b *realBackend) wait(d time.Duration)  { <-time.After(d) }
func (b *realBackend) drop()                 { b.must(b.js.DeleteStream(b.t.Context(), streamName)) }
func (b *realBackend) recreate()             { b.drop(); b.create() }
func (b *realBackend) restart()              { b.stop(); b.up() }

func (b *realBackend) configure(c streammodel.Config) {
	b.config = c
	_, err := b.js.UpdateStream(b.t.Context(), b.settings())
	b.must(err)
}

func (b *realBackend) purge(upTo uint64) {
	var opts []jetstream.StreamPurgeOpt
	if upTo > 0 {
		opts = append(opts, jetstream.WithPurgeSequence(upTo+1))
	}
	b.must(b.real().Purge(b.t.Context(), opts...))
}

func (b *realBackend) remove(seq uint64) bool {
	err := b.real().DeleteMsg(b.t.Context(), seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) || err != nil && strings.Contains(err.Error(), "no message found") {
		return false
	}
	b.must(err)
	return true
}

func (b *realBackend) backup() {
	b.stop()
	b.must(os.RemoveAll(filepath.Join(b.dir, "copy")))
	b.must(os.CopyFS(filepath.Join(b.dir, "copy"), os.DirFS(filepath.Join(b.dir, "store"))))
	b.up()
}

func (b *realBackend) restore() {
	b.stop()
	b.must(os.RemoveAll(filepath.Join(b.dir, "store")))
	b.must(os.CopyFS(filepath.Join(b.dir, "store"), os.DirFS(filepath.Join(b.dir, "copy"))))
	b.up()
}
