package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
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

// startFilled starts a server with events 1 to n, and connects as a command does.
func startFilled(t testing.TB, n int) (*broker, *client.Client) {
	t.Helper()
	b := startBroker(t)
	b.fill(t, n)
	return b, b.client(t)
}

// client connects as a command does.
func (b *broker) client(t testing.TB) *client.Client { return connect(t, b.URL) }

func connect(t testing.TB, url string) *client.Client { return connectAs(t, url, "") }

// connectAs connects as a user of natstest; "" is the one of the test.
func connectAs(t testing.TB, url, user string) *client.Client {
	t.Helper()
	o := clienttest.Options(url)
	o.NATS.User, o.NATS.Password = user, value.Secret(user)
	return clienttest.Open(t, o)
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

// eventRange returns the events of two numbers and all between them.
func eventRange(from, to int) (all []schema.Event) {
	for i := from; i <= to; i++ {
		all = append(all, anEvent(i))
	}
	return all
}

// fill stores events 1 to n at the sequences 1 to n.
func (b *broker) fill(t testing.TB, n int) {
	t.Helper()
	b.Store(t, eventRange(1, n)...)
	if got := b.StreamInfo(t, "TREBLE").State.LastSeq; got != uint64(n) {
		t.Fatalf("got %d events in the stream, want %d", got, n)
	}
}

// sequences returns the original sequences of the run in a stream, in its order,
// and checks each message against the original.
func (b *broker) sequences(t testing.TB, stream, run string) []int {
	t.Helper()
	var all []int
	for _, m := range b.Messages(t, stream) {
		h := m.Header
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
		if !bytes.Equal(m.Data, want) {
			t.Fatalf("event %d: got %s, want %s", i, m.Data, want)
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

// toSubject is a replay into whatever stream has a subject.
func toSubject(subject string) replay.Spec {
	return replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: subject}}
}

// newRun makes a run with the streams of a bridge that is not configured, into the stream for replays
// if the spec names no target.
func newRun(t testing.TB, c *client.Client, s replay.Spec, o replay.Options) *replay.Run {
	t.Helper()
	if s.Target.To == "" {
		s.Target.To = replay.ToStream
	}
	o.Streams, o.Who = theStreams, "me@here"
	r, err := replay.New(context.Background(), c, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stopAt returns a context that ends when a run has come so far, and the Progress that ends it.
func stopAt(t testing.TB, done int64) (context.Context, func(int64)) {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	return ctx, func(d int64) {
		if d >= done {
			stop()
		}
	}
}

// resume resumes a run as another process would.
func resume(t testing.TB, c *client.Client, r *replay.Run) *replay.Run {
	t.Helper()
	again, err := tryResume(t, c, r, replay.Given{})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func tryResume(t testing.TB, c *client.Client, r *replay.Run, g replay.Given) (*replay.Run, error) {
	return replay.Resume(t.Context(), c, r.Name(), g, replay.Options{Streams: theStreams})
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
