// Package natstest provides tests with a real NATS: a nats-server in this process, a cluster of
// three, a proxy that breaks connections on demand, and a log that can be searched.
package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/treble-bridge/treble-bridge/schema"
)

// Server is a nats-server as a user would run it, apart from the bridge.
type Server struct {
	*server.Server
	Options *server.Options // with which it was started; its port is the real one
	URL     string
	NC      *nats.Conn // of the test itself
	JS      jetstream.JetStream
}

// Start starts a server with JetStream on a free port; change may change its options. It
// ends with the test.
func Start(t testing.TB, change ...func(*server.Options)) *Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40,
	}
	for _, f := range change {
		f(o)
	}
	s := &Server{Options: o}
	s.boot(t)
	t.Cleanup(s.Kill)
	s.connect(t)
	return s
}

// Run starts a server with these options alone, and connects nothing to it. It ends with the test.
func Run(t testing.TB, o *server.Options, log ...server.Logger) *server.Server {
	t.Helper()
	s, err := server.NewServer(o.Clone())
	if err != nil {
		t.Fatal(err)
	}
	if len(log) > 0 {
		s.SetLoggerV2(log[0], true, false, false)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the nats-server does not come up")
	}
	return s
}

// Refusals is a log of a server that counts refused clients. Its zero value is ready.
type Refusals struct{ n atomic.Int64 }

// Count returns the number of refusals so far.
func (r *Refusals) Count() int64 { return r.n.Load() }

// Errorf implements server.Logger, as do the others.
func (r *Refusals) Errorf(string, ...any) { r.n.Add(1) }

// Noticef does nothing.
func (*Refusals) Noticef(string, ...any) {}

// Warnf does nothing.
func (*Refusals) Warnf(string, ...any) {}

// Fatalf does nothing.
func (*Refusals) Fatalf(string, ...any) {}

// Debugf does nothing.
func (*Refusals) Debugf(string, ...any) {}

// Tracef does nothing.
func (*Refusals) Tracef(string, ...any) {}

// Connect connects to the server at a URL until the end of the test, as another service would.
func Connect(t testing.TB, url string, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (s *Server) boot(t testing.TB) {
	t.Helper()
	var err error
	if s.Server, err = server.NewServer(s.Options.Clone()); err != nil {
		t.Fatal(err)
	}
	s.Server.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the nats-server does not come up")
	}
	s.Options.Port = s.Addr().(*net.TCPAddr).Port
	s.URL = fmt.Sprintf("nats://127.0.0.1:%d", s.Options.Port)
}

func (s *Server) connect(t testing.TB) {
	t.Helper()
	var err error
	if s.NC, err = nats.Connect(s.URL, nats.Token(s.Options.Authorization), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.NC.Close)
	if s.JS, err = jetstream.New(s.NC); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server.
func (s *Server) Kill() {
	s.Shutdown()
	s.WaitForShutdown()
}

// Restart ends the server, if it runs, starts it anew with the same port and store, and returns when
// the test is connected again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	s.boot(t)
	Eventually(t, "the test is connected again", s.NC.IsConnected)
}

// CopyStore copies the store of a server that was killed.
func (s *Server) CopyStore(t testing.TB) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(s.Options.StoreDir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// PutBack replaces the store of a server that was killed by a copy of it.
func (s *Server) PutBack(t testing.TB, dir string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(s.Options.StoreDir), os.CopyFS(s.Options.StoreDir, os.DirFS(dir))); err != nil {
		t.Fatal(err)
	}
}

// User is an option of Start: a user whose password is its name, with permissions. The test's own
// client may do all.
func User(name string, p server.Permissions) func(*server.Options) {
	return func(o *server.Options) {
		if o.NoAuthUser == "" {
			o.NoAuthUser = "test"
			o.Users = append(o.Users, &server.User{Username: "test", Password: "test"})
		}
		o.Users = append(o.Users, &server.User{Username: name, Password: name, Permissions: &p})
	}
}

// MayNotPublish are the permissions of a user who may do all but publish to subjects.
func MayNotPublish(subjects ...string) server.Permissions {
	return server.Permissions{Publish: &server.SubjectPermission{Deny: subjects}}
}

// Stream makes a stream, or changes it if it is there.
func (s *Server) Stream(t testing.TB, cfg jetstream.StreamConfig) jetstream.Stream {
	t.Helper()
	return MakeStream(t, s.JS, cfg)
}

// Find returns a stream, which must be there.
func (s *Server) Find(t testing.TB, stream string) jetstream.Stream {
	t.Helper()
	return find(t, s.JS, stream)
}

// StreamInfo returns the configuration and the state of a stream.
func (s *Server) StreamInfo(t testing.TB, stream string) *jetstream.StreamInfo {
	t.Helper()
	return s.Find(t, stream).CachedInfo()
}

// EditStream changes the configuration of a stream.
func (s *Server) EditStream(t testing.TB, stream string, change func(*jetstream.StreamConfig)) {
	t.Helper()
	cfg := s.StreamInfo(t, stream).Config
	change(&cfg)
	s.Stream(t, cfg)
}

// AwaitMessages waits until a stream is there and has n messages.
func (s *Server) AwaitMessages(t testing.TB, stream string, n int) {
	t.Helper()
	Eventually(t, fmt.Sprintf("stream %s has %d messages", stream, n), func() bool {
		found, err := s.JS.Stream(t.Context(), stream)
		return err == nil && found.CachedInfo().State.Msgs == uint64(n)
	})
}

func find(t testing.TB, js jetstream.JetStream, stream string) jetstream.Stream {
	t.Helper()
	found, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatalf("stream %s: %v", stream, err)
	}
	return found
}

// MakeStream makes a stream, or updates it. The server still removes the files of one that
// was deleted when it says that it is.
func MakeStream(t testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) (made jetstream.Stream) {
	t.Helper()
	var err error
	Eventually(t, "stream "+cfg.Name, func() bool {
		made, err = js.CreateOrUpdateStream(context.Background(), cfg)
		var refused *jetstream.APIError
		return !errors.As(err, &refused) || server.ErrorIdentifier(refused.ErrorCode) != server.JSStreamCreateErrF
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// IDs returns the ids of the messages in a stream, in its order.
func (s *Server) IDs(t testing.TB, stream string) []string {
	t.Helper()
	return IDs(t, s.JS, stream)
}

// WantIDs fails the test unless these are the ids of the messages in a stream, in its order.
func (s *Server) WantIDs(t testing.TB, stream string, want ...string) {
	t.Helper()
	WantIDs(t, s.JS, stream, want...)
}

// Messages returns the messages in a stream, in its order.
func (s *Server) Messages(t testing.TB, stream string) []*jetstream.RawStreamMsg {
	t.Helper()
	return Messages(t, s.JS, stream)
}

// IDs is Server.IDs, for a server that is not of this package.
func IDs(t testing.TB, js jetstream.JetStream, stream string) []string {
	t.Helper()
	var ids []string
	for _, m := range Messages(t, js, stream) {
		ids = append(ids, m.Header.Get(schema.HeaderMsgID))
	}
	return ids
}

// WantIDs is Server.WantIDs, for a server that is not of this package.
func WantIDs(t testing.TB, js jetstream.JetStream, stream string, want ...string) {
	t.Helper()
	got := IDs(t, js, stream)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("stream %s has %d messages, want %d; the first that differs is at %d: got %q, want %q",
				stream, len(got), len(want), i, got[min(i, len(got)):min(i+8, len(got))], want[min(i, len(want)):min(i+8, len(want))])
			return
		}
	}
}

// Messages is Server.Messages, for a server that is not of this package.
func Messages(t testing.TB, js jetstream.JetStream, stream string) []*jetstream.RawStreamMsg {
	t.Helper()
	found := find(t, js, stream)
	state := found.CachedInfo().State
	var msgs []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		m, err := found.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it was deleted
		}
		if err != nil {
			t.Fatalf("message %d of %s: %v", seq, stream, err)
		}
		msgs = append(msgs, m)
	}
	return msgs
}

// Cluster is a cluster of three servers.
type Cluster struct{ Servers []*Server }

// StartCluster starts three servers and returns when they have a leader. They end with
// the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	// Each takes a free port: the later ones are told that of the first, and the number
	// of routes tells all how many they will be, though nobody is at the other two.
	first := "127.0.0.1:1"
	for i := range 3 {
		var routes []*url.URL
		for _, addr := range []string{first, "127.0.0.1:2", "127.0.0.1:3"} {
			routes = append(routes, &url.URL{Scheme: "nats", Host: addr})
		}
		s := &Server{Options: &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: server.RANDOM_PORT}, Routes: routes,
		}}
		s.boot(t)
		t.Cleanup(s.Kill)
		s.Options.Cluster.Port = s.ClusterAddr().Port
		if i == 0 {
			first = s.ClusterAddr().String()
		}
		c.Servers = append(c.Servers, s)
	}
	for _, s := range c.Servers {
		s.Options.Routes = nil
		for _, other := range c.Servers {
			s.Options.Routes = append(s.Options.Routes, &url.URL{Scheme: "nats", Host: other.ClusterAddr().String()})
		}
	}
	// A leader that has not heard of a server yet puts no stream there.
	Eventually(t, "the cluster has a leader, and it sees all servers", func() bool {
		return slices.ContainsFunc(c.Servers, func(s *Server) bool { return len(s.JetStreamClusterPeers()) == len(c.Servers) })
	})
	for _, s := range c.Servers {
		s.connect(t)
	}
	return c
}

// URL returns the addresses of all servers, separated by commas.
func (c *Cluster) URL() string {
	return c.Servers[0].URL + "," + c.Servers[1].URL + "," + c.Servers[2].URL
}

// Leader returns the server that leads a stream.
func (c *Cluster) Leader(t testing.TB, stream string) *Server {
	t.Helper()
	var found *Server
	Eventually(t, "stream "+stream+" has a leader", func() bool {
		for _, s := range c.Servers {
			if s.Running() && s.JetStreamIsStreamLeader("$G", stream) {
				found = s
			}
		}
		return found != nil
	})
	return found
}

// Eventually polls until cond is true, and fails the test if that takes long.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Log returns a logger, and what it logs from a level on.
func Log(level zapcore.Level) (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(level)
	return zap.New(core), logs
}

// Numbered returns n ids that begin with prefix.
func Numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return ids
}

// LogBuffer collects what is logged, or what a process writes, and can be read meanwhile. Its zero
// value is ready.
type LogBuffer struct {
	mu sync.Mutex
	b  []byte
}

// Write implements io.Writer.
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

// Sync implements zapcore.WriteSyncer.
func (l *LogBuffer) Sync() error { return nil }

// String returns the log, one JSON object a line.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// Logger returns a logger that writes here from debug on.
func (l *LogBuffer) Logger() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), l, zap.DebugLevel))
}
