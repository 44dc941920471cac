package publisher_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// copied is an event of about 40 kB, as much again in its normalised copies.
func copied(id string) schema.Event {
	e := natstest.Padded(id, 40_000)
	e.Data.Base().SessionKeys = schema.SessionKeys{"k": {Text: strings.Repeat("y", 40_000)}}
	return e
}

// largeEvent is an event of about 100 kB, and no copies in it.
func largeEvent(id string) schema.Event {
	return natstest.Padded(id, 100_000)
}

// TestLimitsThatChange: what limits the size of a message is not learned once. A raised one lets
// the next event in; a lowered one finds what was encoded for the larger one, which is cut to
// fit, and set aside only if that does not help.
func TestLimitsThatChange(t *testing.T) {
	t.Parallel()
	const small, large = "max_payload: 65536", "max_payload: 1048576"
	account := func(limit int) string {
		return oneAccount(fmt.Sprintf("jetstream: enabled, limits: {max_payload: %d}", limit))
	}
	size := func(n int32) func(*testing.T, *reloaded) {
		return func(t *testing.T, r *reloaded) {
			r.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgSize = n })
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
				natstest.Eventually(t, "looked", func() bool {
					return p.Streams().MaxMsgSize() == int64(max(r.StreamInfo(t, "TREBLE").Config.MaxMsgSize, 0))
				})
				if p.Events() != nil {
					natstest.Eventually(t, "serving", p.Events().Serving)
				}
				accept := func(id string) error {
					e := tt.event
					e.ID = id
					return p.Accept(t.Context(), natstest.Delivery(e))
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
	n := natstest.Start(t)
	o := withJournal(t, n.URL)
	p := open(t, o)
	natstest.Eventually(t, "serving", p.Events().Serving)
	n.Kill()
	natstest.Eventually(t, "away", func() bool { return !p.Conn().Connected() })
	withCopies := copied("copied")
	for _, e := range []schema.Event{natstest.Event("one", `1`), withCopies, largeEvent("large"), natstest.Event("two", `2`)} {
		wantAnswer(t, p, natstest.Delivery(e), nil)
	}
	n.Options.MaxPayload = 65536
	n.Restart(t)
	if a := settle(t, p); a.SetAside != 1 || a.Stored != 3 || !p.Status().Degraded {
		t.Errorf("account: %+v, status %+v; want one set aside, three stored, and that it is told", a, p.Status())
	}
	n.WantIDs(t, "TREBLE", "one", "copied", "two")
	m := n.Messages(t, "TREBLE")[1]
	got, err := schema.Decode(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	if b := got.Data.Base(); len(b.SessionKeys) != 0 || len(b.Warnings) != 1 || string(b.Raw) != string(withCopies.Data.Base().Raw) {
		t.Errorf("session_keys %d, warnings %q, raw of %d bytes", len(b.SessionKeys), b.Warnings, len(b.Raw))
	}
	if h := nats.Header(m.Header); h.Get(jetstream.MsgIDHeader) != "copied" || h.Get(schema.HeaderKind) != string(schema.KindMessageRead) {
		t.Errorf("headers %v", h)
	}
	if aside := readSetAside(t, o.DataDir); len(aside) != 1 || aside["large"].ID == "" {
		t.Errorf("set-aside holds %v, want the one that nothing helps", aside)
	}
}
