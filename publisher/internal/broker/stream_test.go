package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/link"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialTest returns the stream TEST of a server.
func dialTest(t testing.TB, url string, timeout time.Duration, change ...func(*natsconfig.Config)) *Stream {
	t.Helper()
	cfg := natsconfig.Default()
	cfg.URL = url
	for _, f := range change {
		f(&cfg)
	}
	c, err := Dial(Options{NATS: cfg, Payload: 1 << 20, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return testStream(t, c, timeout)
}

// The permissions of users who may publish to one subject, and who receive no answers.
var (
	onlyOneSubject = server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"t.a", "$JS.API.>"}}}
	noAnswers      = server.Permissions{Subscribe: &server.SubjectPermission{Allow: []string{"nothing"}}}
)

// dialAs is dialTest as a user of natstest.
func dialAs(t testing.TB, n *natstest.Server, user string, timeout time.Duration) *Stream {
	t.Helper()
	return dialTest(t, n.URL, timeout, func(c *natsconfig.Config) { c.User, c.Password = user, value.Secret(user) })
}

// testStream returns the stream TEST of a connection, once that is up. Both end with the test.
func testStream(t testing.TB, c *Conn, timeout time.Duration) *Stream {
	t.Helper()
	s := NewStream(c, "TEST", timeout)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.Close(ctx)
		s.Wait()
	})
	if !c.AwaitUp(t.Context()) {
		t.Fatal("no connection")
	}
	return s
}

func testConfig(change ...func(*jetstream.StreamConfig)) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name: "TEST", Subjects: []string{"t.>"}, AllowAtomicPublish: true, AllowDirect: true,
		Discard: jetstream.DiscardNew, Duplicates: time.Minute,
	}
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

func newTest(t testing.TB, change ...func(*jetstream.StreamConfig)) (*natstest.Server, *Stream) {
	t.Helper()
	n := natstest.Start(t)
	n.Stream(t, testConfig(change...))
	return n, dialTest(t, n.URL, 2*time.Second)
}

func messages(ids ...string) []Message {
	var msgs []Message
	for _, id := range ids {
		msgs = append(msgs, Message{Subject: "t.a", ID: id, Header: Header{{Name: "Nats-Msg-Id", Value: id}}, Data: []byte("data of " + id)})
	}
	return msgs
}

func wantStatus(t *testing.T, got Result, want Status, text string) {
	t.Helper()
	if got.Status != want || want != Stored && (got.Err == nil || !strings.Contains(got.Err.Error(), text)) {
		t.Errorf("got %v (%v), want %v and %q", got.Status, got.Err, want, text)
	}
}

func TestPublish(t *testing.T) {
	n, s := newTest(t)
	if r := s.Publish(t.Context(), messages("a")); r != (Result{Status: Stored, First: 1}) {
		t.Errorf("one: %+v", r)
	}
	if r := s.Publish(t.Context(), messages("b", "c", "d")); r != (Result{Status: Stored, First: 2}) {
		t.Errorf("batch: %+v", r)
	}
	if r := s.Publish(t.Context(), messages("c")); r != (Result{Status: Stored, First: 3, Duplicate: true}) {
		t.Errorf("repetition: %+v", r)
	}
	r := s.Publish(t.Context(), messages("e", "c", "f"))
	wantStatus(t, r, Refused, "duplicate")
	if !IsRepetition(r.Err) {
		t.Errorf("%v is not known as a repetition", r.Err)
	}
	wantStatus(t, s.Publish(t.Context(), messages("e", "e")), Refused, "duplicate")
	wantStatus(t, s.Publish(t.Context(), nil), NotSent, "nothing")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	wantStatus(t, s.Publish(over, messages("x", "y")), NotSent, "canceled")
	n.WantIDs(t, "TEST", "a", "b", "c", "d")
	many := s.Publish(t.Context(), messages(natstest.Numbered("m", 1000)...))
	if many.Status != Stored || many.First != 5 {
		t.Errorf("1000: %+v", many)
	}
	wantStatus(t, s.Publish(t.Context(), messages(natstest.Numbered("n", 1001)...)), Refused, "too large")
}

// What a publish says to the server is not what the message's readers are told, and the
// headers of the caller stay as they are.
func TestPublishLeavesOutConditions(t *testing.T) {
	n, s := newTest(t)
	old := func(id string) Message {
		m := messages(id)[0]
		m.Header = append(m.Header, HeaderOf(map[string][]string{
			"Nats-Expected-Stream": {"OLD"}, "Nats-Expected-Last-Msg-Id": {"zzz"}, "Nats-Batch-Id": {"zzz"}, "Treble-Kind": {"k", "l"},
		})...)
		return m
	}
	a, b, c := old("a"), old("b"), old("c")
	wantStatus(t, s.Publish(t.Context(), []Message{a}), Stored, "")
	wantStatus(t, s.Publish(t.Context(), []Message{b, c}), Stored, "")
	for _, m := range n.Messages(t, "TEST") {
		for name, v := range m.Header {
			if strings.HasPrefix(name, "Nats-Expected-") || v[0] == "zzz" || v[0] == "OLD" {
				t.Errorf("message %d has %s: %v", m.Sequence, name, v)
			}
		}
		if !slices.Equal(m.Header.Values("Treble-Kind"), []string{"k", "l"}) {
			t.Errorf("message %d: %v", m.Sequence, m.Header)
		}
	}
	for _, m := range []Message{a, b, c} {
		if len(m.Header) != 6 {
			t.Errorf("the caller's headers were changed: %v", m.Header)
		}
	}
}

func TestPublishRefused(t *testing.T) {
	pad := strings.Repeat("x", 3000)
	large := Message{Subject: "t.a", ID: "l", Header: Header{{Name: "Nats-Msg-Id", Value: "l"}}, Data: []byte(pad)}
	for _, tt := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		msgs   []Message
		want   Status // alone, of the first message; a batch is always Refused
		text   string
	}{
		{"no-stream", func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.>"} }, messages("a", "b"), RefusedSubject, ""},
		{"max-msg-size", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 }, []Message{large, messages("a")[0]}, RefusedSize, ""},
		{"max-bytes", func(c *jetstream.StreamConfig) { c.MaxBytes = 2000 }, []Message{large, messages("a")[0]}, Refused, "maximum bytes"},
		{"max-bytes-by-the-last", func(c *jetstream.StreamConfig) { c.MaxBytes = 2000 }, []Message{messages("a")[0], large}, Stored, "maximum bytes"},
		{"max-msgs", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 }, messages("a", "b"), Stored, "maximum messages"},
		{"per-subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true }, messages("a", "b"), Stored, "per subject"},
		{"no-batches", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }, messages("a", "b"), Stored, "disabled"},
		{"one-subject-elsewhere", nil, []Message{messages("a")[0], {Subject: "nowhere", ID: "b"}, messages("c")[0]}, Stored, "incomplete"},
		{"last-subject-elsewhere", nil, []Message{messages("a")[0], {Subject: "nowhere", ID: "b"}}, Stored, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*jetstream.StreamConfig)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			n, s := newTest(t, change...)
			wantStatus(t, s.Publish(t.Context(), tt.msgs), Refused, tt.text)
			n.WantIDs(t, "TEST")
			wantStatus(t, s.Publish(t.Context(), tt.msgs[:1]), tt.want, "")
		})
	}
	t.Run("sealed", func(t *testing.T) {
		n, s := newTest(t)
		n.Stream(t, testConfig(func(c *jetstream.StreamConfig) { c.Sealed = true }))
		wantStatus(t, s.Publish(t.Context(), messages("a", "b")), Refused, "sealed")
		wantStatus(t, s.Publish(t.Context(), messages("a")), RefusedForGood, "sealed")
	})
	t.Run("subject-full", func(t *testing.T) {
		_, s := newTest(t, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true })
		wantStatus(t, s.Publish(t.Context(), messages("a")), Stored, "")
		wantStatus(t, s.Publish(t.Context(), messages("b")), RefusedSubject, "per subject")
	})
	t.Run("other-stream", func(t *testing.T) {
		n, s := newTest(t, func(c *jetstream.StreamConfig) { c.Subjects = []string{"t.b"} })
		n.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"t.a"}, MaxMsgs: 1, Discard: jetstream.DiscardNew})
		wantStatus(t, s.Publish(t.Context(), messages("a", "b")), Refused, "stream OTHER, not TEST")
		wantStatus(t, s.Publish(t.Context(), messages("a")), Unknown, "stored by stream OTHER instead of TEST")
		wantStatus(t, s.Publish(t.Context(), messages("b")), RefusedSubject, "stream OTHER, not TEST")
	})
}

func TestPublishWithoutPermission(t *testing.T) {
	apiOf := func(request string) server.Permissions { return natstest.MayNotPublish("$JS.API." + request + ".>") }
	n := natstest.Start(t, natstest.User("bridge", onlyOneSubject), natstest.User("deaf", noAnswers),
		natstest.User("no-create", apiOf("CONSUMER.CREATE")), natstest.User("no-delete", apiOf("CONSUMER.DELETE")),
		natstest.User("no-next", apiOf("CONSUMER.MSG.NEXT")), natstest.User("no-get", apiOf("STREAM.MSG.GET")))
	n.Stream(t, testConfig())
	as := func(user string) *Stream { return dialAs(t, n, user, 2*time.Second) }
	s := as("bridge")
	b := Message{Subject: "t.B", ID: "b", Header: Header{{Name: "Nats-Msg-Id", Value: "b"}}}
	began := time.Now()
	wantStatus(t, s.Publish(t.Context(), []Message{b}), RefusedSubject, "publish to t.B")
	wantStatus(t, s.Publish(t.Context(), append(messages("a"), b)), Refused, "")
	wantStatus(t, s.Publish(t.Context(), append([]Message{b}, messages("a")...)), Refused, "")
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s, want no waiting for a PubAck", took)
	}
	wantStatus(t, s.Publish(t.Context(), messages("a")), Stored, "")
	n.WantIDs(t, "TEST", "a")
	for i := range 100 {
		wantStatus(t, s.Publish(t.Context(), messages(fmt.Sprint("more-", i))), Stored, "")
	}
	for _, user := range []string{"no-create", "no-delete"} {
		began := time.Now()
		if ids, _, err := read(t.Context(), as(user), 1, 101); err != nil || len(ids) != 101 || time.Since(began) > time.Second {
			t.Errorf("%s: %d ids, %v, after %s", user, len(ids), err, time.Since(began))
		}
	}
	if ids, _, err := read(t.Context(), as("no-next"), 1, 101); err != nil || len(ids) != 101 {
		t.Errorf("no-next: %d ids, %v", len(ids), err)
	}
	began = time.Now()
	if _, _, err := as("no-get").ID(t.Context(), 1); !errors.Is(err, link.ErrDenied) || time.Since(began) > time.Second {
		t.Errorf("no-get: %v after %s, want what is not permitted, at once", err, time.Since(began))
	}
	deaf := NewStream(as("deaf").conn, "TEST", 200*time.Millisecond)
	wantStatus(t, deaf.Publish(t.Context(), messages("c")), Unknown, "to receive answers")
}

func TestPublishEndsInTime(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, testConfig())
	px := natstest.StartProxy(t, n.URL)
	const timeout = 2 * time.Second
	s := dialTest(t, px.URL(), timeout)
	timed := func(want Status, text string, longest time.Duration, during func()) {
		t.Helper()
		began := time.Now()
		if during != nil {
			time.AfterFunc(50*time.Millisecond, during)
		}
		r := s.Publish(t.Context(), messages("late", "later"))
		if took := time.Since(began); took > longest {
			t.Errorf("took %s, want at most %s", took, longest)
		}
		wantStatus(t, r, want, text)
	}
	px.HoldBack.Store(true)
	timed(Unknown, "no PubAck within 2s", 5*timeout, nil)
	timed(Unknown, "connection to NATS was lost", timeout, px.Down)
	timed(NotSent, "not connected", timeout, nil)
	px.HoldBack.Store(false)
	px.Up()
	if !s.conn.AwaitUp(t.Context()) {
		t.Fatal("no connection")
	}
	// A server that does not read makes the client's write hang with its lock held.
	px.Stall.Store(true)
	pad := make([]byte, 900_000)
	began := time.Now()
	var statuses []Status
	for i := range 40 { // more than the socket buffers hold
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		r := s.Publish(ctx, []Message{{Subject: "t.a", ID: fmt.Sprint(i), Data: pad}})
		cancel()
		statuses = append(statuses, r.Status)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("40 publishes took %s", took)
	}
	if !slices.Contains(statuses, Unknown) || statuses[39] != NotSent {
		t.Errorf("statuses %v: want unknown first, and nothing sent while a write hangs", statuses)
	}
	if _, err := s.Info(shortly(t)); err == nil {
		t.Error("Info answers while the write hangs")
	}
	px.Stall.Store(false)
	natstest.Eventually(t, "published again", func() bool { return s.Publish(t.Context(), messages("after")).Status == Stored })
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestInfo(t *testing.T) {
	n := natstest.Start(t)
	s := dialTest(t, n.URL, time.Second)
	if _, err := s.Info(t.Context()); !errors.Is(err, ErrNoStream) || !strings.Contains(err.Error(), "TEST") {
		t.Errorf("no stream: %v", err)
	}
	n.Stream(t, testConfig(func(c *jetstream.StreamConfig) { c.MaxAge, c.MaxMsgSize = time.Hour, 1000 }))
	i, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if i.First != 1 || i.Last != 0 || i.Messages != 0 || !i.Batches || i.Duplicates != time.Minute || i.MaxMsgSize != 1000 ||
		i.MaxAge != time.Hour || i.Discards || i.PerSubject || !i.Captures("t.x.y") || i.Captures("x") || i.Created.IsZero() {
		t.Errorf("%+v", i)
	}
	wantStatus(t, s.Publish(t.Context(), messages("a", "b")), Stored, "")
	made := n.Find(t, "TEST")
	if err := made.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Info(t.Context()); err != nil || after.First != 3 || after.Last != 2 || after.Leader != i.Leader || after.Leader == "" || !after.Created.Equal(i.Created) {
		t.Errorf("%+v, %v", after, err)
	}
	n.Stream(t, testConfig(func(c *jetstream.StreamConfig) {
		c.Name, c.Subjects, c.Retention = "QUEUE", []string{"queue.>"}, jetstream.WorkQueuePolicy
	}))
	if i, err := NewStream(s.conn, "QUEUE", time.Second).Info(t.Context()); err != nil || !i.PerSubject || !i.Discards {
		t.Errorf("%+v, %v, want that consumers leave holes", i, err)
	}
	n.Restart(t)
	natstest.Eventually(t, "another process leads", func() bool {
		after, err := s.Info(t.Context())
		return err == nil && after.Leader != i.Leader && after.Created.Equal(i.Created)
	})
}

func TestID(t *testing.T) {
	n, s := newTest(t)
	wantStatus(t, s.Publish(t.Context(), messages("a", "b", "c")), Stored, "")
	made := n.Find(t, "TEST")
	if err := made.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := n.JS.Publish(t.Context(), "t.a", []byte("no id")); err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]string{1: "a", 3: "c", 4: ""} {
		if id, there, err := s.ID(t.Context(), seq); id != want || !there || err != nil {
			t.Errorf("%d: %q, %v, %v; want %q", seq, id, there, err, want)
		}
	}
	for _, seq := range []uint64{2, 5} {
		if id, there, err := s.ID(t.Context(), seq); there || err != nil {
			t.Errorf("%d: %q, %v, %v; want none", seq, id, there, err)
		}
	}
}

// read returns what IDs gives.
func read(ctx context.Context, s *Stream, from, to uint64) (ids []string, seqs []uint64, err error) {
	for at, e := range s.IDs(ctx, from, to) {
		if e != nil {
			return ids, seqs, e
		}
		ids, seqs = append(ids, at.ID), append(seqs, at.Seq)
	}
	return ids, seqs, nil
}

func TestIDs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
	}{
		{"limits", func(*jetstream.StreamConfig) {}},
		{"work-queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		{"no-consumers", func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, s := newTest(t, tt.change)
			all := natstest.Numbered("m", 1500)
			for chunk := range slices.Chunk(all, 500) {
				wantStatus(t, s.Publish(t.Context(), messages(chunk...)), Stored, "")
			}
			made := n.Find(t, "TEST")
			if tt.name == "no-consumers" {
				if _, err := made.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "theirs"}); err != nil {
					t.Fatal(err)
				}
			}
			consumers := made.CachedInfo().State.Consumers
			for _, r := range []struct{ from, to uint64 }{{1, 1500}, {0, 10}, {700, 705}, {400, 1200}, {1490, 3000}, {1600, 2000}, {5, 4}} {
				ids, seqs, err := read(t.Context(), s, r.from, r.to)
				first, last := max(r.from, 1), min(r.to, 1500)
				want := []string(nil)
				if first <= last {
					want = all[first-1 : last]
				}
				if err != nil || !slices.Equal(ids, want) || len(want) > 0 && (seqs[0] != first || seqs[len(seqs)-1] != last) {
					t.Errorf("%d to %d: %d ids, %v", r.from, r.to, len(ids), err)
				}
			}
			// The end of the range is deleted, and something before it.
			for _, seq := range []uint64{600, 1499, 1500} {
				if err := made.DeleteMsg(t.Context(), seq); err != nil {
					t.Fatal(err)
				}
			}
			if ids, _, err := read(t.Context(), s, 1, 1500); err != nil || len(ids) != 1497 {
				t.Errorf("with the end deleted: %d ids, %v", len(ids), err)
			}
			for at, err := range s.IDs(t.Context(), 1, 1500) {
				if err != nil {
					t.Fatal(err)
				}
				if at.Seq == 3 {
					break
				}
			}
			info, err := made.Info(t.Context())
			if err != nil || tt.name != "no-consumers" && info.State.Consumers != consumers {
				t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
			}
		})
	}
}

func TestIDsEndsWithAnError(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, testConfig())
	px := natstest.StartProxy(t, n.URL)
	s := dialTest(t, px.URL(), 2*time.Second)
	for i := range 10 {
		wantStatus(t, s.Publish(t.Context(), messages(natstest.Numbered(fmt.Sprint(i), 900)...)), Stored, "")
	}
	seen := 0
	var last error
	for at, err := range s.IDs(t.Context(), 1, 9000) {
		if last = err; err == nil {
			seen++
		}
		if at.Seq == 100 {
			px.HoldBack.Store(true)
			px.Down()
		}
	}
	if last == nil || seen == 9000 {
		t.Errorf("%d ids, %v; want an error", seen, last)
	}
	px.HoldBack.Store(false)
	px.Up()
	s.conn.AwaitUp(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	for at, err := range s.IDs(ctx, 1, 9000) {
		if last = err; at.Seq == 100 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("got %v, want %v", last, context.Canceled)
	}
	cancel()
	natstest.Eventually(t, "everything", func() bool {
		ids, _, err := read(t.Context(), s, 1, 9000)
		return err == nil && len(ids) == 9000
	})
}

// A reader on a replica that is behind, or whose server ends, misses nothing.
func TestClusterStream(t *testing.T) {
	c := natstest.StartCluster(t)
	c.Servers[0].Stream(t, testConfig(func(c *jetstream.StreamConfig) { c.Replicas = 3 }))
	s := dialTest(t, c.URL(), 2*time.Second)
	publish := func(prefix string) {
		t.Helper()
		natstest.Eventually(t, "stored", func() bool {
			return s.Publish(t.Context(), messages(natstest.Numbered(prefix, 500)...)).Status == Stored
		})
	}
	publish("a")
	before, err := s.Info(t.Context())
	if err != nil || !strings.Contains(before.Leader, "@") {
		t.Fatalf("%+v, %v; want a leader with the time of its election", before, err)
	}
	for i := range 20 {
		publish(fmt.Sprint("b", i))
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ids, _, err := read(t.Context(), s, 1, info.Last); err != nil || uint64(len(ids)) != info.Last {
			t.Errorf("%d of %d ids, %v", len(ids), info.Last, err)
		}
	}
	c.Leader(t, "TEST").Restart(t)
	natstest.Eventually(t, "another election", func() bool {
		after, err := s.Info(t.Context())
		return err == nil && after.Leader != before.Leader
	})
	publish("c")
	if ids, _, err := read(t.Context(), s, 1, 11000); err != nil || len(ids) != 11000 {
		t.Errorf("%d ids, %v", len(ids), err)
	}
}
