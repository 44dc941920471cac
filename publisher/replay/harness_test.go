package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
	"github.com/treble-bridge/treble-bridge/schema"
)

// theStreams are those of a bridge that is not configured.
var theStreams = publisher.DefaultConfig().Spec("")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is a nats-server with an event stream.
type broker struct{ *natstest.Server }

func startBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{natstest.Start(t)}
	b.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, Discard: jetstream.DiscardNew})
	return b
}

// restart restarts the server, and returns when the test is connected again.
func (b *broker) restart(t testing.TB) {
	t.Helper()
	b.Restart(t)
	natstest.Eventually(t, "the test is connected", b.NC.IsConnected)
}

// client connects as a command does.
func (b *broker) client(t testing.TB) *client.Client { return connect(t, b.URL) }

func connect(t testing.TB, url string) *client.Client { return connectAs(t, url, "", "") }

func connectAs(t testing.TB, url, user, password string) *client.Client {
	t.Helper()
	o := client.Options{NATS: publisher.DefaultNATSConfig(), Role: "replay", Events: "TREBLE", Prefix: "treble", Timeout: 2 * time.Second}
	o.NATS.URL, o.NATS.User, o.NATS.Password = url, user, value.Secret(password)
	c, err := client.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// anEvent is event i; it has a phone number, a session and a conversation of its own.
func anEvent(i int) schema.Event {
	at := time.Date(2026, 2, 3, 4, 5, 6, i, time.UTC)
	e := schema.Event{
		ID: fmt.Sprintf("event%021d", i), Source: "default", Kind: schema.KindMessageRead, Subject: fmt.Sprintf("session-%d", i),
		Time: at, ReceivedTime: at, DedupeKey: schema.DedupeContent,
		Data: &schema.MessageRead{Common: schema.Common{
			SessionID: fmt.Sprintf("session-%d", i), ConversationID: fmt.Sprintf("conversation-%d", i), Phone: phoneOf(i),
			Raw: json.RawMessage(fmt.Sprintf("{\"number\":\n %d}", i)),
		}},
	}
	if i%10 == 3 {
		e.Kind, e.Data = schema.KindUnrecognized, &schema.Unrecognized{Common: *e.Data.Base()}
		e.Source = "other"
	}
	return e
}

func phoneOf(i int) string { return fmt.Sprintf("+57300%07d", i) }

// fill stores events 1 to n at the sequences 1 to n.
func (b *broker) fill(t testing.TB, n int) {
	t.Helper()
	js, err := jetstream.New(b.NC, jetstream.WithPublishAsyncMaxPending(2000))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		e := anEvent(i)
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		h := e.Header()
		h[jetstream.ExpectedStreamHeader] = []string{"TREBLE"}
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: schema.DefaultPrefix.Subject(e.Kind), Header: h, Data: data}, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	if got := b.state(t, "TREBLE").LastSeq; got != uint64(n) {
		t.Fatalf("got %d events in the stream, want %d", got, n)
	}
}

func (b *broker) state(t testing.TB, stream string) jetstream.StreamState {
	t.Helper()
	s, err := b.JS.Stream(context.Background(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

// messages returns all that a stream has, in order.
func (b *broker) messages(t testing.TB, stream string) []jetstream.Msg {
	t.Helper()
	n := b.state(t, stream).Msgs
	if n == 0 {
		return nil
	}
	cons, err := b.JS.OrderedConsumer(context.Background(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := cons.Fetch(int(n), jetstream.FetchMaxWait(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var all []jetstream.Msg
	for m := range batch.Messages() {
		all = append(all, m)
	}
	if uint64(len(all)) != n {
		t.Fatalf("read %d of %d messages of %s", len(all), n, stream)
	}
	return all
}

// sequences returns the original sequences of the run in a stream, in its order,
// and checks each message against the original.
func (b *broker) sequences(t testing.TB, stream, run string) []int {
	t.Helper()
	var all []int
	for _, m := range b.messages(t, stream) {
		h := m.Headers()
		if h.Get(schema.HeaderReplayRun) != run {
			continue
		}
		i, err := strconv.Atoi(h.Get(schema.HeaderReplaySequence))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
		e := anEvent(i)
		want, _ := e.Encode()
		if !bytes.Equal(m.Data(), want) {
			t.Fatalf("event %d: got %s, want %s", i, m.Data(), want)
		}
		if got, want := h.Get(schema.HeaderMsgID), run+"."+strconv.Itoa(i); got != want {
			t.Fatalf("event %d: got Nats-Msg-Id %s, want %s", i, got, want)
		}
		if got := h.Get(schema.HeaderKind); got != string(e.Kind) || h.Get(schema.HeaderContentType) != schema.ContentType {
			t.Fatalf("event %d: got headers %v", i, h)
		}
		if stored, err := time.Parse(time.RFC3339Nano, h.Get(schema.HeaderReplayStored)); err != nil || time.Since(stored) > time.Hour {
			t.Fatalf("event %d: got stored %v, %v", i, stored, err)
		}
	}
	return all
}

// expectOnce fails unless got is each of 1 to n once; in order, if so wanted.
func expectOnce(t testing.TB, got []int, n int, ordered bool) {
	t.Helper()
	seen := map[int]int{}
	for i, seq := range got {
		seen[seq]++
		if ordered && i > 0 && got[i-1] >= seq {
			t.Fatalf("event %d comes behind %d", seq, got[i-1])
		}
	}
	for i := 1; i <= n; i++ {
		if seen[i] != 1 {
			t.Errorf("event %d is there %d times", i, seen[i])
		}
	}
	if len(got) != n {
		t.Fatalf("got %d events, want %d", len(got), n)
	}
}

func newRun(t testing.TB, c *client.Client, s replay.Spec, o replay.Options) *replay.Run {
	t.Helper()
	if s.Target.To == "" {
		s.Target.To = replay.ToStream
	}
	o.Who = "me@here"
	r, err := replay.New(context.Background(), c, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t testing.TB, r *replay.Run) replay.Result {
	t.Helper()
	res, err := r.Do(context.Background())
	if err != nil {
		t.Fatalf("Do: %v", err)
	}
	return res
}

// record returns the record of a run as it is stored, and as text.
func record(t testing.TB, c *client.Client, run string) (audit.Record, replay.Detail, string) {
	t.Helper()
	a, err := audit.Open(context.Background(), c, theStreams)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Get(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	d, err := replay.DecodeDetail(r.Record)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(r.Record)
	return r.Record, d, string(text)
}
