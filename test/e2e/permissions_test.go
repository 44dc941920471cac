package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestPermissions runs every role of deployments/nats/permissions.conf with what it
// may do and nothing else, and then lets it try what it may not.
func TestPermissions(t *testing.T) {
	t.Parallel()
	s := startPermitted(t)
	operator := s.role("operator")
	stored := bridgeRoles(t, s, operator)
	consumerRole(t, s)
	operatorRole(t, s, operator)
	forbidden(t, s, operator)
	for stream, want := range map[string]int{"TREBLE": stored, "TREBLE_QUARANTINE": 0} { // the one was dropped
		if got := bridge.Stored(t, operator.js, stream); got != want {
			t.Errorf("stream %s has %d messages at the end, want %d", stream, got, want)
		}
	}
}

// bridgeRoles runs the bridge with each of its users on one data directory, so that
// it compares journal and stream at each start, and returns how many events it
// stored.
func bridgeRoles(t *testing.T, s *permitted, operator *role) (stored int) {
	dir := t.TempDir()
	for _, run := range []struct {
		user string
		env  []string
	}{
		{"bridge", nil},
		{"bridge-apply", []string{"TREBLE_BRIDGE_PUBLISHER_STREAMS=apply", "TREBLE_BRIDGE_PUBLISHER_DUPLICATE_WINDOW=20m"}},
		{"bridge-check", []string{"TREBLE_BRIDGE_PUBLISHER_STREAMS=check", "TREBLE_BRIDGE_PUBLISHER_DUPLICATE_WINDOW=20m"}},
		{"bridge-check", []string{"TREBLE_BRIDGE_PUBLISHER_STREAMS=check", "TREBLE_BRIDGE_PUBLISHER_DUPLICATE_WINDOW=20m", "TREBLE_BRIDGE_PUBLISHER_ACK=stream"}},
	} {
		p := bridge.ServeOn(t, dir, s.env(run.user, run.env...)...)
		for range 3 {
			stored++
			p.PostEvent(t, bridge.ReadEvent(fmt.Sprintf("permitted-%d", stored), stored, 20))
		}
		if r := p.Post(t, bridge.Request{Body: "not JSON, from " + fmt.Sprint(stored)}); r.Status != 400 {
			t.Errorf("got %d for a body that is no JSON, want 400", r.Status)
		}
		bridge.AwaitTrue(t, 20*time.Second, "all is published", func() bool {
			return bridge.Stored(t, operator.js, "TREBLE") == stored && bridge.Stored(t, operator.js, "TREBLE_QUARANTINE") == stored/3
		})
		p.Stop()
		expectPermitted(t, run.user, p.Output.String())
	}
	bridgeReads(t, s, stored)
	return stored
}

// bridgeReads does what the bridge does besides every 30 s and after a loss: it looks
// at one message, and reads the ids of all.
func bridgeReads(t *testing.T, s *permitted, stored int) {
	for _, user := range []string{"bridge", "bridge-apply", "bridge-check"} {
		r := s.role(user)
		stream, err := r.js.Stream(t.Context(), "TREBLE")
		if err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		if _, err := stream.GetMsg(t.Context(), uint64(stored)); err != nil {
			t.Errorf("%s: read a message: %v", user, err)
		}
		if got := len(natstest.Messages(t, r.js, "TREBLE")); got != stored {
			t.Errorf("%s: read %d messages, want %d", user, got, stored)
		}
		if err := r.nc.LastError(); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// ordersConsumer is the one consumer that the user orders may make.
func ordersConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{Durable: "orders", FilterSubject: "treble.message.*", AckPolicy: jetstream.AckExplicitPolicy}
}

// consumerRole reads and acknowledges as a service, with an inbox of its own.
func consumerRole(t *testing.T, s *permitted) {
	r := s.role("orders")
	consumer, err := r.js.CreateOrUpdateConsumer(t.Context(), "TREBLE", ordersConsumer())
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(5, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for m := range batch.Messages() {
		if _, err := schema.Decode(m.Data()); err != nil {
			t.Error(err)
		}
		if err := m.DoubleAck(t.Context()); err != nil { // waits for the answer
			t.Errorf("acknowledge: %v", err)
		}
		got++
	}
	info, err := consumer.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != 5 || info.NumAckPending != 0 || info.AckFloor.Consumer != 5 {
		t.Errorf("read %d, acknowledged %d, open %d; want 5, 5, 0", got, info.AckFloor.Consumer, info.NumAckPending)
	}
	if err := r.nc.LastError(); err != nil {
		t.Error(err)
	}
}

// operatorRole runs the client commands, and what they do on a worse day.
func operatorRole(t *testing.T, s *permitted, r *role) {
	env := s.env("operator", "TREBLE_BRIDGE_AUTH_DISABLED=true") // or doctor finds that nobody could post
	for _, line := range []string{
		"tail --since 1h --no-follow --json",
		"events --limit 3",
		"events --session permitted-1",
		"consumers --all",
		"replay --kind message.read --yes",
		"replay list",
		"quarantine list",
		"quarantine drop --all --yes",
		"forget --session nobody --yes",
		"doctor --no-probe",
	} {
		out, errs, code := cli(t, t.TempDir(), env, strings.Fields(line)...)
		if code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
		}
		expectPermitted(t, line, errs)
	}
	ctx := t.Context()
	if _, err := r.js.AccountInfo(ctx); err != nil {
		t.Errorf("account info: %v", err)
	}
	for name, list := range map[string]func() error{
		"streams":   func() error { l := r.js.ListStreams(ctx); drain(l.Info()); return l.Err() },
		"consumers": func() error { return listConsumers(t, r.js) },
		"delete":    func() error { return deleteReplayed(t, r.js) },
	} {
		if err := list(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.nc.LastError(); err != nil {
		t.Error(err)
	}
}

func listConsumers(t *testing.T, js jetstream.JetStream) error {
	stream, err := js.Stream(t.Context(), "TREBLE")
	if err != nil {
		return err
	}
	list := stream.ListConsumers(t.Context())
	drain(list.Info())
	return list.Err()
}

// deleteReplayed deletes one message, as forget and the probe of doctor do.
func deleteReplayed(t *testing.T, js jetstream.JetStream) error {
	stream, err := js.Stream(t.Context(), "TREBLE_REPLAY")
	if err != nil {
		return err
	}
	return stream.SecureDeleteMsg(t.Context(), 1)
}

func drain[T any](c <-chan T) {
	for range c {
	}
}

// forbidden lets every role try what it may not do.
func forbidden(t *testing.T, s *permitted, operator *role) {
	destroy := []string{
		"$JS.API.STREAM.DELETE.TREBLE", "$JS.API.STREAM.PURGE.TREBLE", "$JS.API.STREAM.DELETE.TREBLE_QUARANTINE",
		"$JS.API.STREAM.RESTORE.TREBLE", "$JS.API.STREAM.CREATE.OTHER", "other.subject",
	}
	bridges := slices.Concat(destroy, []string{
		"$JS.API.STREAM.MSG.DELETE.TREBLE", "$JS.API.CONSUMER.DELETE.TREBLE.orders", "$JS.API.CONSUMER.DELETE.TREBLE_QUARANTINE.x",
		"$JS.API.STREAM.MSG.DELETE.TREBLE_QUARANTINE", "$JS.API.STREAM.MSG.GET.TREBLE_REPLAY",
		"$JS.ACK.TREBLE.orders.1.1.1.1.0", "treble-replay.run.message.read", "$KV.TREBLE_AUDIT.run",
	})
	update := slices.Clip([]string{"$JS.API.STREAM.UPDATE.TREBLE", "$JS.API.STREAM.UPDATE.TREBLE_QUARANTINE"})
	for user, more := range map[string][]string{
		"bridge":       update,
		"bridge-apply": nil,
		"bridge-check": append(update, "$JS.API.STREAM.CREATE.TREBLE", "$JS.API.STREAM.CREATE.TREBLE_QUARANTINE"),
	} {
		r := s.role(user)
		r.mayNotPublish(append(more, bridges...)...)
		r.mayNotSubscribe("treble.>", "$JS.API.>", ">", "_INBOX.>", "_INBOX_operator.>", "_INBOX_orders.>")
	}

	orders := s.role("orders")
	orders.mayNotPublish(append(destroy,
		"treble.message.read", "treble-quarantine.not-json", "treble-replay.run.message.read",
		"$JS.API.STREAM.INFO.TREBLE", "$JS.API.STREAM.UPDATE.TREBLE", "$JS.API.STREAM.MSG.DELETE.TREBLE",
		"$JS.API.STREAM.MSG.GET.TREBLE", "$JS.API.DIRECT.GET.TREBLE", "$JS.API.DIRECT.GET.TREBLE.treble.contact.opted_out",
		"$JS.API.CONSUMER.CREATE.TREBLE", "$JS.API.CONSUMER.CREATE.TREBLE.orders", // without a filter, or with several
		"$JS.API.CONSUMER.CREATE.TREBLE.orders.treble.>", "$JS.API.CONSUMER.CREATE.TREBLE.other.treble.message.*",
		"$JS.API.CONSUMER.CREATE.TREBLE_QUARANTINE.orders.treble-quarantine.>", "$JS.API.CONSUMER.DURABLE.CREATE.TREBLE.orders",
		"$JS.API.CONSUMER.DELETE.TREBLE.orders", "$JS.API.CONSUMER.MSG.NEXT.TREBLE.other", "$JS.ACK.TREBLE.other.1.1.1.1.0",
	)...)
	orders.mayNotSubscribe("treble.>", "_INBOX.>", "_INBOX_other.>", "_INBOX_bridge.>", "_INBOX_operator.>", ">")
	// The subject of the request holds the filter; the server compares them.
	request := []byte(`{"stream_name":"TREBLE","config":{"durable_name":"orders","ack_policy":"explicit","filter_subject":"treble.>"}}`)
	answer, err := orders.nc.Request("$JS.API.CONSUMER.CREATE.TREBLE.orders.treble.message.*", request, 5*time.Second)
	if err != nil || !strings.Contains(string(answer.Data), `"error"`) {
		t.Errorf("orders: a filter that is not the permitted one: got %v, %v; want an error", answer, err)
	}

	operator.mayNotPublish(append(destroy,
		"treble.message.read", "treble-quarantine.not-json", "$JS.API.STREAM.CREATE.TREBLE", "$JS.API.STREAM.UPDATE.TREBLE",
		"$JS.ACK.TREBLE.orders.1.1.1.1.0", "$JS.API.STREAM.DELETE.KV_TREBLE_AUDIT", "$JS.API.STREAM.PURGE.KV_TREBLE_AUDIT",
	)...)
	operator.mayNotSubscribe("treble.>", "$JS.API.>", ">", "_INBOX.>", "_INBOX_bridge.>", "_INBOX_orders.>")
}
