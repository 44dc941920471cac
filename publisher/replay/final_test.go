package replay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
)

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
			n := natstest.Start(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "all", Password: "s3cret-all"}, {Username: "some", Password: "s3cret-some",
					Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{subject}}}}}
				o.NoAuthUser = "all"
			})
			for stream, subject := range map[string]string{"TREBLE": "treble.>", "AGAIN": "again.>"} {
				n.Stream(t, jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
			}
			e := anEvent(1)
			data, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.JS.PublishMsg(t.Context(), &nats.Msg{Subject: "treble." + string(e.Kind), Header: e.Header(), Data: data}); err != nil {
				t.Fatal(err)
			}
			o := client.Options{NATS: publisher.DefaultNATSConfig(), Role: "test", Events: "TREBLE", Prefix: "treble", Timeout: 2 * time.Second}
			o.NATS.URL, o.NATS.User, o.NATS.Password = n.URL, "some", "s3cret-some"
			c, err := client.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			began := time.Now()
			_, err = newRun(t, c, replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: "again.{kind}"}}, replay.Options{Streams: theStreams, GiveUp: 10 * time.Minute}).Do(t.Context())
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
			n := natstest.Start(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "all", Password: "s3cret-all"}, {Username: "some", Password: "s3cret-some",
					Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{denied}}}}}
				o.NoAuthUser = "all"
			})
			for stream, subject := range map[string]string{"TREBLE": "treble.>", "AGAIN": "again.>"} {
				n.Stream(t, jetstream.StreamConfig{Name: stream, Subjects: []string{subject}})
			}
			const events = 20
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
			client := func(user string) *client.Client {
				o := client.Options{NATS: publisher.DefaultNATSConfig(), Role: "test", Events: "TREBLE", Prefix: "treble", Timeout: 2 * time.Second}
				o.NATS.URL, o.NATS.User, o.NATS.Password = n.URL, user, value.Secret("s3cret-"+user)
				c, err := client.Open(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				return c
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			run := newRun(t, client("all"), replay.Spec{Target: replay.Target{To: replay.ToStream, Subject: "again.{kind}"}}, replay.Options{Streams: theStreams, Rate: 20, Progress: func(done int64) {
				if done >= 3 {
					cancel()
				}
			}})
			if res, _ := run.Do(ctx); !res.Resumable {
				t.Fatalf("it was to be stopped: %+v", res)
			}

			began := time.Now()
			again, err := replay.Resume(t.Context(), client("some"), run.Name(), replay.Given{}, replay.Options{Streams: theStreams, GiveUp: 10 * time.Minute})
			if err == nil {
				_, err = again.Do(t.Context())
			}
			if want := "does not permit this user to publish to " + strings.TrimSuffix(denied, ">"); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %s: %v", time.Since(began), err)
			}

			again, err = replay.Resume(t.Context(), client("all"), run.Name(), replay.Given{}, replay.Options{Streams: theStreams})
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
