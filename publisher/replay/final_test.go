package replay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

// startDenying starts a server with n events, on which the user "some" may not publish to a subject.
func startDenying(t *testing.T, subject string, n int) *broker {
	t.Helper()
	b := &broker{natstest.Start(t, natstest.User("some", natstest.MayNotPublish(subject)))}
	b.Stream(t, jetstream.StreamConfig{Name: "AGAIN", Subjects: []string{"again.>"}})
	b.Store(t, eventRange(1, n)...)
	return b
}

// TestDeniedEndsTheRun: a run ends with the subject that its user may not publish to, and does not wait for
// --give-up, though such a request ends as one without an answer.
func TestDeniedEndsTheRun(t *testing.T) {
	for name, subject := range map[string]string{
		"audit":    "$KV.TREBLE_AUDIT.>",
		"consumer": "$JS.API.CONSUMER.CREATE.TREBLE.>",
		"target":   "again.>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startDenying(t, subject, 1)
			c := connectAs(t, n.URL, "some")
			began := time.Now()
			_, err := newRun(t, c, toSubject("again.{kind}"), replay.Options{GiveUp: 10 * time.Minute}).Do(t.Context())
			if want := "does not permit this user to publish to " + strings.TrimSuffix(subject, ">"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
	}
}

// TestReplayOfWhatTakesNoConsumer: a stream that refuses consumers is replayed all the same, as
// source and as target.
func TestReplayOfWhatTakesNoConsumer(t *testing.T) {
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"work-queue": func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"consumers":  func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			br := startBroker(t)
			if err := br.JS.DeleteStream(t.Context(), "TREBLE"); err != nil {
				t.Fatal(err)
			}
			for stream, subject := range map[string]string{"TREBLE": "treble.>", "AGAIN": "again.>"} {
				cfg := jetstream.StreamConfig{Name: stream, Subjects: []string{subject}}
				change(&cfg)
				br.Stream(t, cfg)
				if _, err := br.JS.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{Durable: "service", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
					t.Fatal(err)
				}
			}
			br.fill(t, 5)
			run := newRun(t, br.client(t), toSubject("again.{kind}"), replay.Options{GiveUp: time.Minute})
			total, err := run.Count(t.Context(), func() {})
			if err != nil || total != 5 {
				t.Errorf("counted %d: %v", total, err)
			}
			res, err := run.Do(t.Context())
			if err != nil || res.State != audit.Done || br.StreamInfo(t, "AGAIN").State.Msgs != 5 {
				t.Errorf("%+v: %v", res, err)
			}
		})
	}
}

// TestResumeDenied: a run that is resumed by a user who may not do it ends with the subject, stays
// resumable, and comes to its end once the user may.
func TestResumeDenied(t *testing.T) {
	for name, denied := range map[string]string{
		"look":     "$JS.API.STREAM.INFO.KV_TREBLE_AUDIT",
		"audit":    "$KV.TREBLE_AUDIT.>",
		"consumer": "$JS.API.CONSUMER.CREATE.TREBLE.>",
		"target":   "again.>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const events = 20
			n := startDenying(t, denied, events)
			ctx, stop := stopAt(t, 3)
			run := newRun(t, n.client(t), toSubject("again.{kind}"), replay.Options{Rate: 20, Progress: stop})
			if res, _ := run.Do(ctx); !res.Resumable {
				t.Fatalf("it was to be stopped: %+v", res)
			}

			began := time.Now()
			again, err := replay.Resume(t.Context(), connectAs(t, n.URL, "some"), run.Name(), replay.Given{}, replay.Options{Streams: theStreams, GiveUp: 10 * time.Minute})
			if err == nil {
				_, err = again.Do(t.Context())
			}
			if want := "does not permit this user to publish to " + strings.TrimSuffix(denied, ">"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %s: %v", time.Since(began), err)
			}

			if res, err := resume(t, n.client(t), run).Do(t.Context()); err != nil || res.State != audit.Done || res.Replayed != events {
				t.Errorf("by one who may: %+v, %v", res, err)
			}
			if got := n.StreamInfo(t, "AGAIN").State.Msgs; got != events {
				t.Errorf("the target has %d, want %d", got, events)
			}
		})
	}
}
