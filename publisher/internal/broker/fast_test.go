package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func allowFast(c *jetstream.StreamConfig) { c.AllowBatchPublish = true }

// wantFast wants that so many messages are in the stream, the last new one at a sequence.
func wantFast(t *testing.T, got Result, want Status, count int, last uint64) {
	t.Helper()
	if got.Status != want || got.Count != count || got.Last != last || want != Stored && got.Err == nil {
		t.Errorf("got %+v, want %v, %d messages to %d", got, want, count, last)
	}
}

func TestPublishFast(t *testing.T) {
	n, s := newTest(t, allowFast)
	wantFast(t, s.PublishFast(t.Context(), messages("a", "b", "c")), Stored, 3, 3)
	wantFast(t, s.PublishFast(t.Context(), messages("d", "b", "e")), Stored, 3, 5)
	wantFast(t, s.PublishFast(t.Context(), messages("a", "e")), Stored, 2, 0)
	if r := s.Publish(t.Context(), messages("f")); r != (Result{Status: Stored, First: 6}) {
		t.Errorf("one: %+v", r)
	}
	old := messages("g", "h")
	old[0].Header = append(old[0].Header, Field{"Nats-Expected-Stream", "OLD"}, Field{"Nats-Batch-Id", "zzz"})
	wantFast(t, s.PublishFast(t.Context(), old), Stored, 2, 8)
	wantStatus(t, s.PublishFast(t.Context(), nil), NotSent, "nothing")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	wantStatus(t, s.PublishFast(over, messages("x", "y")), NotSent, "canceled")
	n.WantIDs(t, "TEST", "a", "b", "c", "d", "e", "f", "g", "h")
	for _, m := range n.Messages(t, "TEST") {
		for name := range m.Header {
			if strings.HasPrefix(name, "Nats-Expected-") || strings.HasPrefix(name, "Nats-Batch-") {
				t.Errorf("message %d is stored with %s", m.Sequence, name)
			}
		}
	}
	many := messages(natstest.Numbered("m", 2000)...)
	wantFast(t, s.PublishFast(t.Context(), many), Stored, 2000, 2008)
}

// TestInfoFast: a fast-ingest batch is sent only where its PubAck proves something, and is faster.
func TestInfoFast(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   bool
	}{
		{"allowed", func(*jetstream.StreamConfig) {}, true},
		{"not-allowed", func(c *jetstream.StreamConfig) { c.AllowBatchPublish = false }, false},
		{"replicas", func(c *jetstream.StreamConfig) { c.Replicas = 3 }, false},
		{"mirror", func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "ORIGIN"} }, false},
		{"no-ack", func(c *jetstream.StreamConfig) { c.NoAck = true }, false},
	} {
		cfg := jetstream.StreamConfig{AllowBatchPublish: true, Replicas: 1}
		tt.change(&cfg)
		if got := infoOf(&jetstream.StreamInfo{Config: cfg}).Fast; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPublishFastRefused(t *testing.T) {
	large := messages("l")[0]
	large.Data = make([]byte, 3000)
	two := messages("a", "b")
	for _, tt := range []struct {
		name   string
		change func(*jetstream.StreamConfig)
		msgs   []Message
		want   Status
		count  int
		text   string
	}{
		{"no-stream", func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.>"} }, two, Refused, 0, "no responders"},
		{"not-allowed", func(c *jetstream.StreamConfig) { c.AllowBatchPublish = false }, two, Refused, 0, "disabled"},
		{"too-large-first", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 }, []Message{large, two[0], two[1]}, Refused, 0, "size"},
		{"too-large-inside", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 }, []Message{two[0], large, two[1]}, PartlyStored, 1, "size"},
		{"too-large-last", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 }, []Message{two[0], two[1], large}, Unknown, 2, "size"},
		{"full-inside", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 }, two, PartlyStored, 1, "maximum messages"},
		{"full-bytes", func(c *jetstream.StreamConfig) { c.MaxBytes = 2000 }, []Message{two[0], large, two[1]}, PartlyStored, 1, "maximum bytes"},
		{"per-subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true }, two, PartlyStored, 1, "per subject"},
		{"nobody-inside", nil, []Message{two[0], {Subject: "nowhere", ID: "n"}, two[1]}, PartlyStored, 1, "no responders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := []func(*jetstream.StreamConfig){allowFast}
			if tt.change != nil {
				change = append(change, tt.change)
			}
			n, s := newTest(t, change...)
			wantStatus(t, s.PublishFast(t.Context(), tt.msgs), tt.want, tt.text)
			var want []string
			for _, m := range tt.msgs[:tt.count] {
				want = append(want, m.ID)
			}
			n.WantIDs(t, "TEST", want...)
		})
	}
	t.Run("other-stream", func(t *testing.T) {
		n, s := newTest(t, allowFast, func(c *jetstream.StreamConfig) { c.Subjects = []string{"t.b"} })
		other := jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"t.a"}}
		n.Stream(t, other)
		wantStatus(t, s.PublishFast(t.Context(), two), Refused, "stream OTHER, not TEST")
		other.AllowBatchPublish = true
		n.Stream(t, other)
		wantStatus(t, s.PublishFast(t.Context(), two), Unknown, "stored by stream OTHER instead of TEST")
	})
	t.Run("larger-than-the-server-takes", func(t *testing.T) {
		n, s := newTest(t, allowFast)
		huge := messages("h")[0]
		huge.Data = make([]byte, 1<<20)
		wantStatus(t, s.PublishFast(t.Context(), []Message{two[0], huge}), Refused, "maximum payload")
		n.WantIDs(t, "TEST")
	})
	t.Run("too-many-batches", func(t *testing.T) {
		n := natstest.Start(t, func(o *server.Options) {
			o.JetStreamLimits.MaxBatchInflightPerStream, o.JetStreamLimits.MaxBatchTimeout = 1, 500*time.Millisecond
		})
		n.Stream(t, testConfig(allowFast))
		s := dialTest(t, n.URL, 2*time.Second)
		abandoned := nats.NewMsg("t.a")
		abandoned.Reply = nats.NewInbox() + ".another.1.fail.1.0.$FI"
		if err := n.NC.PublishMsg(abandoned); err != nil {
			t.Fatal(err)
		}
		natstest.Eventually(t, "it began", func() bool { return len(n.IDs(t, "TEST")) == 1 })
		wantStatus(t, s.PublishFast(t.Context(), two), Refused, "too many inflight")
		natstest.Eventually(t, "the server forgot it", func() bool { return s.PublishFast(t.Context(), two).Status == Stored })
	})
}

// TestPublishFastEndsInTime: a part is stored, and nobody knows which.
func TestPublishFastEndsInTime(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, testConfig(allowFast))
	px := natstest.StartProxy(t, n.URL)
	s := dialTest(t, px.URL(), 2*time.Second)
	wantFast(t, s.PublishFast(t.Context(), messages("a", "b")), Stored, 2, 2)
	large := messages(natstest.Numbered("l", 500)...)
	for i := range large {
		large[i].Data = make([]byte, 1000)
	}
	px.Budget.Store(200_000)
	wantStatus(t, s.PublishFast(t.Context(), large), Unknown, "")
	natstest.Eventually(t, "a part is stored", func() bool { return len(n.IDs(t, "TEST")) > 20 })
	if stored := n.IDs(t, "TEST"); len(stored) > 250 {
		t.Errorf("%d messages are stored, more than 200 kB hold", len(stored))
	}
	px.Budget.Store(-1)
	px.Up()
	if !s.conn.AwaitUp(t.Context()) {
		t.Fatal("no connection")
	}
	px.HoldBack.Store(true)
	began := time.Now()
	wantStatus(t, s.PublishFast(t.Context(), messages("x", "y")), Unknown, "no PubAck within 2s")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	px.HoldBack.Store(false)
	// The server ended the client: another one has its own subscription.
	s.conn.NATS().Close()
	natstest.Eventually(t, "another client publishes", func() bool {
		return s.PublishFast(t.Context(), messages(fmt.Sprint("p", time.Now()), fmt.Sprint("q", time.Now()))).Status == Stored
	})
}

func TestPublishFastWithoutPermission(t *testing.T) {
	n := natstest.Start(t, natstest.User("bridge", onlyOneSubject))
	n.Stream(t, testConfig(allowFast))
	s := dialAs(t, n, "bridge", 2*time.Second)
	b := Message{Subject: "t.B", ID: "b"}
	began := time.Now()
	wantStatus(t, s.PublishFast(t.Context(), append(messages("a"), b)), Unknown, "publish to t.B")
	wantStatus(t, s.PublishFast(t.Context(), []Message{b, messages("c")[0]}), Unknown, "")
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %s, want no waiting for a PubAck", took)
	}
	natstest.Eventually(t, "what came before is stored", func() bool { return slices.Equal(n.IDs(t, "TEST"), []string{"a"}) })
}

// TestFastAnswers: what the answers to a batch of three messages prove, in any order in which a
// server may send them. The text is of the error.
func TestFastAnswers(t *testing.T) {
	const (
		flow    = `{"type":"ack","seq":0,"msgs":500}`
		gap     = `{"type":"gap","last_seq":2,"seq":3}`
		full    = `{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"TEST","seq":0}`
		broken  = `{"error":{"code":503,"err_code":10077,"description":"cannot write"},"stream":"TEST","seq":0}`
		unknown = `{"error":{"code":400,"err_code":10208,"description":"batch publish ID unknown"},"stream":"TEST","seq":0}`
		second  = `{"type":"err","seq":2,"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`
		account = `{"error":{"code":400,"err_code":10002,"description":"resource limits exceeded"},"stream":"TEST","seq":0}`
	)
	ack := func(count int) string {
		return fmt.Sprintf(`{"stream":"TEST","seq":%d,"batch":"B","count":%d}`, 10+count, count)
	}
	for _, tt := range []struct {
		name    string
		answers []string // "<sequence in the batch> <data>"
		want    Status
		count   int
		text    string
	}{
		{"all", []string{"1 " + flow, "3 " + ack(3)}, Stored, 3, ""},
		{"ended-by-a-gap", []string{"1 " + flow, "3 " + gap, "3 " + ack(1), "3 " + unknown}, PartlyStored, 1, "ended the batch"},
		{"ended-by-a-limit", []string{"1 " + flow, "2 " + second, "2 " + ack(1), "3 " + unknown}, PartlyStored, 1, "maximum messages"},
		// The server counts what it could not write, and goes on: the count proves nothing.
		{"not-written-inside", []string{"1 " + flow, "2 " + full, "3 " + ack(3)}, Unknown, 0, "message 2 of a batch"},
		{"not-written-first", []string{"1 " + account, "3 " + ack(3)}, Unknown, 0, "message 1 of a batch"},
		{"restarted-inside", []string{"1 " + flow, "3 " + unknown}, Unknown, 0, "ID unknown"},
		{"none", []string{"1 " + full, "2 " + unknown, "3 " + unknown}, Refused, 0, "maximum messages"},
		{"none-perhaps", []string{"1 " + broken, "2 " + unknown, "3 " + unknown}, Unknown, 0, "cannot write"},
		{"nobody", []string{"1 503", "2 503", "3 503"}, Refused, 0, "no responders"},
		{"older-server", []string{`1 {"stream":"TEST","seq":7}`, `2 {"stream":"TEST","seq":8}`, `3 {"stream":"TEST","seq":9}`}, Unknown, 0, "does not acknowledge a batch"},
		{"other-domain", []string{`3 {"stream":"TEST","seq":13,"domain":"hub","batch":"B","count":3}`}, Unknown, 0, "domain"},
		{"too-many", []string{"3 " + ack(4)}, Unknown, 0, "invalid"},
		{"nonsense", []string{"1 {", "2 {", "3 {"}, Unknown, 0, "invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewStream(&Conn{}, "TEST", time.Second)
			s.domain.Store(new(string))
			b := &fastBatch{stream: s, id: "B", size: 3, done: make(chan Result, 1)}
			s.replies.inbox, s.replies.waiting = "inbox", map[string]answerer{"B": b}
			for _, a := range tt.answers {
				seq, data, _ := strings.Cut(a, " ")
				m := &nats.Msg{Subject: "inbox.B.65535.fail." + seq + ".1.$FI", Data: []byte(data)}
				if data == "503" {
					m.Data, m.Header = nil, nats.Header{"Status": {"503"}}
				}
				s.replies.take(m)
			}
			select {
			case r := <-b.done:
				last := uint64(0)
				if tt.count > 0 {
					last = uint64(10 + tt.count)
				}
				wantFast(t, r, tt.want, tt.count, last)
				wantStatus(t, r, tt.want, tt.text)
			default:
				t.Error("no result")
			}
		})
	}
}
