package publisher_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

// TestSettingsThatRefuse: a stream with a setting that refuses consumers, or something else of
// what the bridge does, is published to and read, over a restart with something retained.
func TestSettingsThatRefuse(t *testing.T) {
	t.Parallel()
	const n = 40 // more than are read without a consumer anyway
	own := func(change func(*jetstream.StreamConfig)) jetstream.StreamConfig {
		cfg := madeByABridge(t)
		change(&cfg)
		return cfg
	}
	type setting struct {
		name    string
		stream  jetstream.StreamConfig
		account string // its limits
		taken   int    // consumers that a service has
		finding string // in /readyz; "" if the bridge cannot know
	}
	for _, tt := range []setting{
		{"workqueue", own(func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }), "", 0, "retention is workqueue"},
		{"workqueue-in-use", own(func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }), "", 1, "retention is workqueue"},
		{"max-consumers-taken", own(func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 }), "", 1, "1 of 1 consumers"},
		{"max-consumers-free", own(func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 }), "", 0, ""},
		{"max-consumers-of-the-account", own(func(*jetstream.StreamConfig) {}), "max_consumers: 1", 1, ""},
		{"consumer-limits", own(func(c *jetstream.StreamConfig) { c.ConsumerLimits.InactiveThreshold = time.Second }), "", 0, "consumer_limits"},
		{"no-direct", own(func(c *jetstream.StreamConfig) { c.AllowDirect = false }), "", 0, "allow_direct"},
		{"compressed", own(func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression }), "", 0, ""},
		{"deny-delete", own(func(c *jetstream.StreamConfig) { c.DenyDelete, c.DenyPurge = true, true }), "", 0, "deny_delete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startReloaded(t, oneAccount("jetstream: {"+tt.account+"}"))
			s := r.Stream(t, tt.stream)
			for i := range tt.taken {
				cfg := jetstream.ConsumerConfig{Durable: fmt.Sprintf("service%d", i), AckPolicy: jetstream.AckExplicitPolicy}
				if _, err := s.CreateConsumer(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
			}
			o := withJournal(t, r.URL)
			log := &natstest.LogBuffer{}
			o.Log = log.Logger()
			p := open(t, o)
			ids := natstest.Numbered("e", n)
			publish(t, p, ids[:n/2]...)
			r.Restart(t) // what is retained is compared with the stream now
			publish(t, p, ids[n/2:n-1]...)
			p = reopen(t, p, o)
			publish(t, p, ids[n-1])
			r.WantIDs(t, "TREBLE", ids...)
			if tt.finding != "" {
				natstest.Eventually(t, "the finding "+tt.finding, func() bool { return says(p, tt.finding, "; fix") })
				if got := strings.Count(log.String(), tt.finding); got > 2 { // once for each of the two bridges
					t.Errorf("%q is logged %d times", tt.finding, got)
				}
			}
			c := clienttest.Open(t, clienttest.Options(r.URL))
			for _, how := range []struct {
				name string
				o    client.FollowOptions
				want []string
			}{
				{"from-start", client.FollowOptions{FromStart: true}, ids},
				{"by-kind", client.FollowOptions{FromStart: true, Subjects: []string{"treble.message.delivered", "treble.message.read", "treble.contact.opted_out"}}, ids},
				{"from-sequence", client.FollowOptions{FromSeq: 3}, ids[2:]},
				{"since", client.FollowOptions{Since: time.Now().Add(-time.Hour), HeadersOnly: true}, ids},
				{"since-later", client.FollowOptions{Since: time.Now().Add(time.Hour)}, nil},
			} {
				how.o.StopAtEnd = true
				if got := followed(t, c, how.o); !slices.Equal(got, how.want) {
					t.Errorf("%s: read %v", how.name, got)
				}
			}
			live(t, p, c)
		})
	}
}

// live wants that a follower, who began before, reads what is stored now.
func live(t *testing.T, p *publisher.Publisher, c *client.Client) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, began := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(read)
		first := true
		for m, err := range c.Follow(ctx, client.FollowOptions{FromSeq: 40}) {
			if err != nil {
				return // the test has ended
			}
			if first {
				close(began)
			}
			first = false
			read <- m.Header[schema.HeaderMsgID][0]
		}
	}()
	<-began
	accept(t, p, "live-0", "live-1")
	for _, want := range []string{"e-39", "live-0", "live-1"} {
		if got := <-read; got != want {
			t.Errorf("read %s, want %s", got, want)
		}
	}
}

// TestWhatNATSDoesNotMake: a refusal to make a stream is one finding, with the line that mends it.
func TestWhatNATSDoesNotMake(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits string
		change func(*publisher.Config)
		stream string
		fix    string
	}{
		{"bytes-required", "max_bytes_required: true", nil, "TREBLE", "TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=1GiB"},
		{"quarantine-bytes-required", "max_bytes_required: true", func(c *publisher.Config) { c.MaxBytes, c.QuarantineMaxBytes = 1<<20, 0 }, "TREBLE_QUARANTINE",
			"TREBLE_BRIDGE_PUBLISHER_QUARANTINE_MAX_BYTES=1GiB"},
		{"largest-stream", "disk_max_stream_bytes: 1MiB", func(c *publisher.Config) { c.MaxBytes = 2 << 20 }, "TREBLE", "TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=<at most "},
		{"storage", "max_file: 1MiB", func(c *publisher.Config) { c.MaxBytes = 2 << 20 }, "TREBLE", "TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=<less than "},
		{"storage-of-the-quarantine", "max_file: 100MiB", func(c *publisher.Config) { c.MaxBytes = 1 << 20 }, "TREBLE_QUARANTINE", "TREBLE_BRIDGE_PUBLISHER_QUARANTINE_MAX_BYTES=<less than "},
		{"streams", "max_streams: 1", nil, "TREBLE_QUARANTINE", "max_streams: <one more than now>"},
		{"replicas", "", func(c *publisher.Config) { c.Replicas = 3 }, "TREBLE", "TREBLE_BRIDGE_PUBLISHER_REPLICAS=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startReloaded(t, oneAccount("jetstream: {"+tt.limits+"}"))
			o := withJournal(t, r.URL)
			if tt.change != nil {
				tt.change(&o.Config)
			}
			p := open(t, o)
			if !strings.HasPrefix(finding(p, tt.stream, "").Fix, tt.fix) {
				t.Errorf("findings %v, want %s", p.Findings(), tt.fix)
			}
		})
	}
}

// TestAssetsAreMadeWithABound: in an account that takes only streams with a limit, all is made, and what is made
// is what Assets says, with a bound.
func TestAssetsAreMadeWithABound(t *testing.T) {
	r := startReloaded(t, oneAccount("jetstream: {max_bytes_required: true}"))
	o := withJournal(t, r.URL)
	o.Config.MaxBytes = 1 << 20
	open(t, o)
	c := clienttest.Open(t, clienttest.Options(r.URL))
	if _, err := audit.Open(t.Context(), c, publisher.DefaultConfig().Spec("")); err != nil {
		t.Error(err)
	}
	if _, err := publisher.DefaultConfig().Spec("").MakeReplay(t.Context(), c.JetStream()); err != nil {
		t.Error(err)
	}
	var want, got []string
	for _, a := range publisher.DefaultConfig().Spec("").Assets() {
		want = append(want, a.Stream)
	}
	list := r.JS.ListStreams(t.Context())
	for s := range list.Info() {
		got = append(got, s.Config.Name)
		if s.Config.MaxBytes <= 0 {
			t.Errorf("%s has no bound", s.Config.Name)
		}
		if s.State.Consumers > 0 {
			t.Errorf("%s has %d consumers", s.Config.Name, s.State.Consumers)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if list.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("made %v, want %v: %v", got, want, list.Err())
	}
}

// TestLostConnectionsLeaveRoom: what a bridge leaves behind when it is killed goes soon, and a
// limit of consumers locks it out of nothing.
func TestLostConnectionsLeaveRoom(t *testing.T) {
	n := natstest.Start(t)
	cfg := madeByABridge(t)
	cfg.MaxConsumers = 3
	n.Stream(t, cfg)
	o := withJournal(t, n.URL)
	p := open(t, o)
	ids := natstest.Numbered("e", 90)
	for i := range 9 {
		publish(t, p, ids[i*10:i*10+10]...)
		if err := p.Conn().NATS().ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, p)
	n.WantIDs(t, "TREBLE", ids...)
}

// TestMappedAway: a mapping of the account takes the subjects of the bridge elsewhere, and the
// reason says what happens.
func TestMappedAway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		to  string
		why string
	}{
		"to-nobody":         {"elsewhere.>", "a mapping of the account takes it elsewhere"},
		"to-another-stream": {"other.>", "OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startReloaded(t, oneAccount(`jetstream: enabled, mappings: {"treble.>": "`+tt.to+`"}`))
			r.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other.>"}})
			p := open(t, withJournal(t, r.URL))
			accept(t, p, "e")
			natstest.Eventually(t, "the reason", func() bool { return says(p, tt.why) })
		})
	}
}
