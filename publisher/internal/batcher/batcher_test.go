package batcher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// dialTest returns the stream TEST of a server.
func dialTest(t testing.TB, url string, timeout time.Duration) *broker.Stream {
	t.Helper()
	cfg := natsconfig.Default()
	cfg.URL = url
	c, err := broker.Dial(broker.Options{NATS: cfg, Payload: 1 << 20, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	s := broker.NewStream(c, "TEST", timeout)
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

func newTest(t testing.TB, change ...func(*jetstream.StreamConfig)) (*natstest.Server, *broker.Stream) {
	t.Helper()
	n := natstest.Start(t)
	n.Stream(t, testConfig(change...))
	return n, dialTest(t, n.URL, 2*time.Second)
}

func messages(ids ...string) []broker.Message {
	var msgs []broker.Message
	for _, id := range ids {
		msgs = append(msgs, broker.Message{Subject: "t.a", ID: id, Header: broker.Header{{Name: "Nats-Msg-Id", Value: id}}, Data: []byte("data of " + id)})
	}
	return msgs
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func newBatcher(t testing.TB, s *broker.Stream) *Batcher {
	t.Helper()
	b := New(s)
	t.Cleanup(b.Close)
	return b
}

// together publishes the requests so that they wait together: behind one that is held back.
func together(t *testing.T, b *Batcher, requests ...[]broker.Message) []Outcome {
	t.Helper()
	out := make([]Outcome, len(requests))
	all := make([]*request, len(requests))
	for i, msgs := range requests {
		all[i] = b.newRequest(t.Context(), msgs)
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, all...)
	b.mu.Unlock()
	b.wake <- struct{}{}
	for i, r := range all {
		out[i] = <-r.done
	}
	return out
}

func TestBatcherSendsTogether(t *testing.T) {
	n, s := newTest(t)
	b := newBatcher(t, s)
	b.choice.way = inBatch
	out := together(t, b, messages("a"), messages("b", "c", "d"), messages("e"))
	for i, want := range []uint64{1, 2, 5} {
		if out[i].Status != broker.Stored || out[i].First != want {
			t.Errorf("request %d: %+v, want sequence %d", i, out[i], want)
		}
	}
	for _, m := range n.Messages(t, "TEST") {
		if m.Header.Get("Nats-Batch-Id") == "" {
			t.Errorf("message %d did not come in a batch", m.Sequence)
		}
	}
	if o := b.Publish(t.Context(), messages("f")); o.Status != broker.Stored || o.First != 6 {
		t.Errorf("alone: %+v", o)
	}
	if m, err := n.JS.Stream(t.Context(), "TEST"); err != nil || m.CachedInfo().State.LastSeq != 6 {
		t.Errorf("%v", err)
	}
	// More than fits: several batches, and the array stays whole.
	large := messages(natstest.Numbered("l", 450)...)
	out = together(t, b, messages("g"), large, messages(natstest.Numbered("m", 600)...), messages("h"))
	if out[0].First != 7 || out[1].First != 8 || out[2].First != 458 || out[3].First != 1058 {
		t.Errorf("%+v", out)
	}
	out = together(t, b, messages(natstest.Numbered("n", 1500)...), messages("i"))
	if out[0].Status != broker.Stored || out[0].First != 1059 || out[1].First != 2559 {
		t.Errorf("larger than any batch: %+v", out)
	}
}

// A bad request does no harm to those beside it.
func TestBatcherTellsRequestsApart(t *testing.T) {
	n, s := newTest(t, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 2000 })
	b := newBatcher(t, s)
	large := broker.Message{Subject: "t.a", ID: "large", Header: broker.Header{{Name: "Nats-Msg-Id", Value: "large"}}, Data: make([]byte, 3000)}
	if o := b.Publish(t.Context(), messages("old")); o.Status != broker.Stored {
		t.Fatalf("%+v", o)
	}
	out := together(t, b,
		messages("a"), []broker.Message{large}, messages("old"), messages("b", "old", "c"), append(messages("d"), large),
		[]broker.Message{{Subject: "elsewhere", ID: "x"}}, messages("e", "f"))
	for i, want := range []broker.Status{broker.Stored, broker.RefusedSize, broker.Stored, broker.Stored, broker.Refused, broker.RefusedSubject, broker.Stored} {
		if out[i].Status != want {
			t.Errorf("request %d: %v (%v), want %v", i, out[i].Status, out[i].Err, want)
		}
	}
	if !out[2].Duplicate || out[2].First != 1 || out[2].Duplicates != 1 || out[3].Duplicate || out[3].Duplicates != 1 {
		t.Errorf("repetitions: %+v, %+v", out[2], out[3])
	}
	if !errors.Is(out[5].Err, errNoSubject) {
		t.Errorf("got %v, want the subject", out[5].Err)
	}
	if got := slices.Sorted(slices.Values(n.IDs(t, "TEST"))); !slices.Equal(got, []string{"a", "b", "c", "e", "f", "old"}) {
		t.Errorf("stream: %v", got)
	}
}

func TestBatcherWithoutBatches(t *testing.T) {
	n, s := newTest(t, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish, c.MaxMsgs = false, 5 })
	b := newBatcher(t, s)
	out := together(t, b, messages("a"), messages("b", "c"), messages("f"), messages("d", "e"), messages("g", "h"))
	for i, want := range []broker.Status{broker.Stored, broker.Stored, broker.Stored, broker.Unknown, broker.Refused} {
		if out[i].Status != want {
			t.Errorf("request %d: %v (%v), want %v", i, out[i].Status, out[i].Err, want)
		}
	}
	if !strings.Contains(out[3].Err.Error(), "1 of 2 messages are stored") {
		t.Errorf("got %v", out[3].Err)
	}
	if got := n.IDs(t, "TEST"); !slices.Equal(got, []string{"a", "b", "c", "f", "d"}) {
		t.Errorf("stream: %v", got)
	}
}

func TestBatcherDeadlines(t *testing.T) {
	n := natstest.Start(t)
	n.Stream(t, testConfig())
	px := natstest.StartProxy(t, n.URL)
	b := newBatcher(t, dialTest(t, px.URL(), time.Second))
	if o := b.Publish(t.Context(), messages("first")); o.Status != broker.Stored {
		t.Fatalf("%+v", o)
	}
	px.HoldBack.Store(true)
	var calls sync.WaitGroup
	publish := func(ctx context.Context, want broker.Status, id string) {
		if o := b.Publish(ctx, messages(id)); o.Status != want {
			t.Errorf("%s: %v (%v), want %v", id, o.Status, o.Err, want)
		}
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	// The next group leaves before the one before it is answered.
	for i := range mostGroups {
		calls.Go(func() { publish(ctx, broker.Unknown, fmt.Sprint("in-flight-", i)) })
		natstest.Eventually(t, "it left", func() bool { return len(n.IDs(t, "TEST")) == 2+i })
	}
	publish(shortly(t), broker.NotSent, "queued")
	giveUp()
	calls.Wait()
	calls.Go(func() {
		if o := b.Publish(t.Context(), messages("closed")); o.Status == broker.Stored {
			t.Error("stored after Close")
		}
	})
	b.Close()
	calls.Wait()
	if o := b.Publish(t.Context(), messages("late")); o.Status != broker.NotSent {
		t.Errorf("after Close: %v", o.Status)
	}
	px.HoldBack.Store(false)
	got := n.IDs(t, "TEST")
	if want := []string{"first", "in-flight-0", "in-flight-1"}; !slices.Equal(got, want) && !slices.Equal(got, append(want, "closed")) {
		t.Errorf("stream: %v", got)
	}
}

// TestBatcherOneIDAtATime: of two messages with one id, the server answers the second neither as
// stored nor as a repetition as long as the first is on its way.
func TestBatcherOneIDAtATime(t *testing.T) {
	_, s := newTest(t)
	b := newBatcher(t, s)
	var all []*request
	for _, id := range []string{"a", "a", "b"} {
		all = append(all, b.newRequest(t.Context(), messages(id)))
	}
	launch := func(r *request) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		f := &flight{}
		left := b.launch(r, f)
		if left {
			b.groups++
		}
		return left
	}
	if !launch(all[0]) || launch(all[1]) || !launch(all[2]) {
		t.Fatal("want the first and the other id on their way, and the second to wait")
	}
	b.told(all[0], broker.Result{Status: broker.Stored, First: 1})
	if !launch(all[1]) {
		t.Error("it waits though the first is answered")
	}
	for _, r := range all[1:] {
		b.told(r, broker.Result{Status: broker.Stored, First: 1})
	}
	if b.groups != 0 || len(b.ids) != 0 {
		t.Errorf("%d groups are left, ids %v", b.groups, b.ids)
	}
}

// BenchmarkStreamAck measures requests of one message from 64 goroutines, where batches may be chosen, and one by one as where
// they are not to be had.
func BenchmarkStreamAck(bench *testing.B) {
	servers := map[string]func(*testing.B) (*natstest.Server, int){
		"r1": func(b *testing.B) (*natstest.Server, int) { return natstest.Start(b), 1 },
		"r1-always": func(b *testing.B) (*natstest.Server, int) {
			return natstest.Start(b, func(o *server.Options) { o.SyncAlways = true }), 1
		},
		"r3": func(b *testing.B) (*natstest.Server, int) { return natstest.StartCluster(b).Servers[0], 3 },
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		for _, batches := range []bool{false, true} {
			bench.Run(fmt.Sprintf("%s/batches-%v", name, batches), func(bench *testing.B) {
				n, replicas := servers[name](bench)
				n.Stream(bench, testConfig(func(c *jetstream.StreamConfig) { c.Replicas, c.AllowAtomicPublish = replicas, batches }))
				b := newBatcher(bench, dialTest(bench, n.URL, 5*time.Second))
				var next atomic.Int64
				var load sync.WaitGroup
				bench.ResetTimer()
				for range 64 {
					load.Go(func() {
						for i := next.Add(1); i <= int64(bench.N); i = next.Add(1) {
							m := messages(fmt.Sprintf("%026d", i))
							m[0].Data = make([]byte, 1000)
							if o := b.Publish(context.Background(), m); o.Status != broker.Stored {
								bench.Errorf("%v: %v", o.Status, o.Err)
							}
						}
					})
				}
				load.Wait()
				bench.ReportMetric(float64(bench.N)/bench.Elapsed().Seconds(), "requests/s")
			})
		}
	}
}
