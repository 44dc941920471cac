package replay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

// startDenying starts a server with events, on which the user "some" may not publish to a subject.
func startDenying(t *testing.T, subject string, events int) *natstest.Server {
	t.Helper()
	n := natstest.Start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "all", Password: "s3cret-all"}, {Username: "some", Password: "s3cret-some",
			Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{subject}}}}}
		o.NoAuthUser = "all"
	})
	for stream, subject := range map[string]string{"TREBLE": "treble.>", "AGAIN": "again.>"} {
		n.Stream(t, jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
	}
	for i := range events {
		e := anEvent(i)
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.JS.PublishMsg(t.Context(), &nats.Msg{Subject: "treble." + string(e.Kind), Header: e.Header(), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestDenied: a run ends with the subject that its user may not publish to, and does not wait for
// --give-up, though such a request ends as one without an answer.
func TestDenied(t *testing.T) {
	for name, subject := range map[string]string{
		"audit":    "$KV.TREBLE_AUDIT.>",
		"consumer": "$JS.API.CONSUMER.CREATE.TREBLE.>",
		"target":   "again.>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startDenying(t, subject, 1)
			c := connectAs(t, n.URL, "some", "s3cret-some")
			began := time.Now()
			_, err := newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: "again.{kind}"}}, replay.Options{Streams: theStreams, GiveUp: 10 * time.Minute}).Do(t.Context())
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
			run := newRun(t, br.client(t), replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: "again.{kind}"}}, replay.Options{Streams: theStreams, GiveUp: time.Minute})
			total, err := run.Count(t.Context(), func() {})
			if err != nil || total != 5 {
				t.Errorf("counted %d: %v", total, err)
			}
			res, err := run.Do(t.Context())
			if err != nil || res.State != audit.Done || br.state(t, "AGAIN").Msgs != 5 {
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
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			run := newRun(t, connectAs(t, n.URL, "all", "s3cret-all"), replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: "again.{kind}"}}, replay.Options{Streams: theStreams, Rate: 20, Progress: func(done int64) {
				if done >= 3 {
					cancel()
				}
			}})
			if res, _ := run.Do(ctx); !res.Resumable {
				t.Fatalf("it was to be stopped: %+v", res)
			}

			began := time.Now()
			again, err := replay.Resume(t.Context(), connectAs(t, n.URL, "some", "s3cret-some"), run.Name(), replay.Given{}, replay.Options{Streams: theStreams, GiveUp: 10 * time.Minute})
			if err == nil {
				_, err = again.Do(t.Context())
			}
			if want := "does not permit this user to publish to " + strings.TrimSuffix(denied, ">"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %s: %v", time.Since(began), err)
			}

			again, err = replay.Resume(t.Context(), connectAs(t, n.URL, "all", "s3cret-all"), run.Name(), replay.Given{}, replay.Options{Streams: theStreams})
			if err != nil {
				t.Fatal(err)
			}
			if res, err := again.Do(t.Context()); err != nil || res.State != audit.Done || res.Replayed != events {
				t.Errorf("by one who may: %+v, %v", res, err)
			}
			s, err := n.JS.Stream(t.Context(), "AGAIN")
			if err != nil || s.CachedInfo().State.Msgs != events {
				t.Errorf("the target has %d, %v", s.CachedInfo().State.Msgs, err)
			}
		})
	}
}
