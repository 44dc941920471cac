package publisher_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// reloaded is a nats-server with a configuration file, which the test changes.
type reloaded struct {
	*natstest.Server
	file string
	base string
}

func (r *reloaded) set(t *testing.T, conf string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(r.base+conf+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.Server == nil {
		return
	}
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
}

func startReloaded(t *testing.T, conf string) *reloaded {
	t.Helper()
	r := &reloaded{file: filepath.Join(t.TempDir(), "nats.conf")}
	r.base = fmt.Sprintf("listen: 127.0.0.1:-1\njetstream: {store_dir: %q}\n", t.TempDir())
	r.set(t, conf)
	s := natstest.Start(t, func(o *server.Options) {
		read, err := server.ProcessConfigFile(r.file)
		if err != nil {
			t.Fatal(err)
		}
		read.NoSigs, read.NoLog = true, true
		*o = *read
	})
	r.Server = s
	// A reload may not change the port.
	r.base = strings.Replace(r.base, ":-1", fmt.Sprintf(":%d", s.Options.Port), 1)
	return r
}

// copied is an event of about 40 kB, as much again in its normalised copies.
func copied(id string) schema.Event {
	e := natstest.Event(id, `{"pad":"`+strings.Repeat("x", 40_000)+`"}`)
	e.Data.Base().SessionKeys = schema.SessionKeys{"k": {Text: strings.Repeat("y", 40_000)}}
	return e
}

// largeEvent is an event of about 100 kB, and no copies in it.
func largeEvent(id string) schema.Event {
	return natstest.Event(id, `{"pad":"`+strings.Repeat("x", 100_000)+`"}`)
}

// TestLimitsThatChange: what limits the size of a message is not learned once. A raised one lets
// the next event in; a lowered one finds what was encoded for the larger one, which is cut to
// fit, and set aside only if that does not help.
func TestLimitsThatChange(t *testing.T) {
	t.Parallel()
	const small, large = "max_payload: 65536", "max_payload: 1048576"
	account := func(limit int) string {
		return fmt.Sprintf("accounts: {A: {jetstream: enabled, limits: {max_payload: %d}, users: [{user: a, password: a-password}]}}\nno_auth_user: a", limit)
	}
	size := func(n int32) func(*testing.T, *reloaded) {
		return func(t *testing.T, r *reloaded) {
			s, err := r.JS.Stream(t.Context(), "TREBLE")
			if err != nil {
				t.Fatal(err)
			}
			cfg := s.CachedInfo().Config
			cfg.MaxMsgSize = n
			r.Stream(t, cfg)
		}
	}
	conf := func(text string) func(*testing.T, *reloaded) {
		return func(t *testing.T, r *reloaded) { r.set(t, text) }
	}
	ok := func(*testing.T, *reloaded) {}
	for _, tt := range []struct {
		name   string
		conf   string
		before func(*testing.T, *reloaded)
		change func(*testing.T, *reloaded)
		event  schema.Event
		first  error // of an Accept before the change; it must not be in the stream if it is an error
		then   error // of an Accept after it
	}{
		{"server-raised", small, ok, conf(large), largeEvent("e"), delivery.ErrTooLarge, nil},
		{"server-raised-and-copies", small, ok, conf(large), copied("e"), nil, nil},
		{"server-lowered", large, ok, conf(small), largeEvent("e"), nil, delivery.ErrTooLarge},
		{"account-raised", account(65536), ok, conf(account(1048576)), largeEvent("e"), delivery.ErrTooLarge, nil},
		{"account-lowered", account(1048576), ok, conf(account(65536)), largeEvent("e"), nil, delivery.ErrTooLarge},
		{"server-lowered-and-copies", large, ok, conf(small), copied("e"), nil, nil},
		{"account-lowered-and-copies", account(1048576), ok, conf(account(65536)), copied("e"), nil, nil},
		{"stream-lowered-and-copies", large, ok, size(65536), copied("e"), nil, nil},
		{"stream-raised", large, size(65536), size(-1), largeEvent("e"), delivery.ErrTooLarge, nil},
		{"stream-lowered", large, ok, size(65536), largeEvent("e"), nil, delivery.ErrTooLarge},
	} {
		for _, ack := range []string{publisher.AckJournal, publisher.AckStream} {
			t.Run(tt.name+"/"+ack, func(t *testing.T) {
				t.Parallel()
				r := startReloaded(t, tt.conf)
				o := withJournal(t, r.URL)
				o.Config.Ack = ack
				o = o.WithCheckEvery(time.Hour) // nobody looks by chance
				p := open(t, o)
				tt.before(t, r)
				p.Streams().Wake()
				natstest.Eventually(t, "looked", func() bool { return p.Streams().MaxMsgSize() == maxMsgSizeOf(t, r) })
				if p.Events() != nil {
					natstest.Eventually(t, "serving", p.Events().Serving)
				}
				accept := func(id string) error {
					e := tt.event
					e.ID = id
					return p.Accept(t.Context(), delivery.Delivery{Events: []schema.Event{e}})
				}
				if err := accept("before"); !errors.Is(err, tt.first) {
					t.Fatalf("Accept before the change = %v, want %v", err, tt.first)
				}
				if p.Events() != nil {
					natstest.Eventually(t, "published", p.Events().Drained)
				}
				tt.change(t, r)
				if err := accept("after"); ack == publisher.AckJournal && tt.then != nil {
					// The one that finds a lowered limit is in the journal by then.
					natstest.Eventually(t, "the limit is noticed", func() bool { return errors.Is(accept("after"), tt.then) })
				} else if !errors.Is(err, tt.then) {
					t.Fatalf("Accept after the change = %v, want %v", err, tt.then)
				}
				want := []string{"after"}
				if tt.then != nil {
					want = []string{"before"}
				} else if tt.first == nil {
					want = []string{"before", "after"}
				}
				natstest.Eventually(t, fmt.Sprintf("the stream holds %v", want), func() bool { return slices.Equal(storedIDs(t, r), want) })
				if aside := readSetAside(t, o.DataDir); tt.then == nil && aside["after"].ID != "" {
					t.Errorf("set-aside holds %q", aside["after"].ID)
				}
			})
		}
	}
}

func maxMsgSizeOf(t *testing.T, r *reloaded) int64 {
	t.Helper()
	s, err := r.JS.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	return int64(max(s.CachedInfo().Config.MaxMsgSize, 0))
}

// storedIDs are the ids in the stream; the connection may be cut by a reload.
func storedIDs(t *testing.T, r *reloaded) []string {
	if !r.NC.IsConnected() {
		return nil
	}
	return r.IDs(t, "TREBLE")
}

// TestJournaledBeforeTheLimitShrank: an event that was answered 200 while NATS was away, and took
// more then, is published without its copies, and set aside only if that is not enough.
func TestJournaledBeforeTheLimitShrank(t *testing.T) {
	r := startReloaded(t, "max_payload: 1048576")
	o := withJournal(t, r.URL)
	p := open(t, o)
	natstest.Eventually(t, "serving", p.Events().Serving)
	r.Kill()
	natstest.Eventually(t, "away", func() bool { return !p.Conn().Connected() })
	var events []schema.Event
	for _, e := range []schema.Event{natstest.Event("one", `1`), copied("copied"), largeEvent("large"), natstest.Event("two", `2`)} {
		events = append(events, e)
		if err := p.Accept(t.Context(), delivery.Delivery{Events: events[len(events)-1:]}); err != nil {
			t.Fatal(err)
		}
	}
	r.Options.MaxPayload = 65536
	r.Restart(t)
	natstest.Eventually(t, "published", func() bool { return p.Events().Account().Pending == 0 })
	want := []string{"one", "copied", "two"}
	natstest.Eventually(t, "the stream can be read", r.NC.IsConnected)
	if got := r.IDs(t, "TREBLE"); !slices.Equal(got, want) {
		t.Errorf("the stream holds %v, want %v", got, want)
	}
	m := r.Messages(t, "TREBLE")[1]
	got, err := schema.Decode(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if b := got.Data.Base(); len(b.SessionKeys) != 0 || len(b.Warnings) != 1 || string(b.Raw) != string(events[1].Data.Base().Raw) {
		t.Errorf("session_keys %d, warnings %q, raw of %d bytes", len(b.SessionKeys), b.Warnings, len(b.Raw))
	}
	if h := nats.Header(m.Header); h.Get(jetstream.MsgIDHeader) != "copied" || h.Get(schema.HeaderKind) != string(schema.KindMessageRead) {
		t.Errorf("headers %v", h)
	}
	if aside := readSetAside(t, o.DataDir); len(aside) != 1 || aside["large"].ID == "" {
		t.Errorf("set-aside holds %v, want the one that nothing helps", aside)
	}
}
