package publisher_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
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
			r := startReloaded(t, "accounts: {A: {jetstream: {"+tt.account+"}, users: [{user: a, password: a-password}]}}\nno_auth_user: a")
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
			accept(t, p, ids[:n/2]...)
			settle(t, p)
			r.Restart(t) // what is retained is compared with the stream now
			natstest.Eventually(t, "the test is connected", r.NC.IsConnected)
			accept(t, p, ids[n/2:n-1]...)
			settle(t, p)
			closed(t, p)
			o.Metrics = prometheus.NewRegistry()
			p = open(t, o)
			accept(t, p, ids[n-1])
			settle(t, p)
			if got := r.IDs(t, "TREBLE"); !slices.Equal(got, ids) {
				t.Errorf("the stream holds %v", got)
			}
			if tt.finding != "" {
				natstest.Eventually(t, "the finding "+tt.finding, func() bool {
					return slices.ContainsFunc(reasonsOf(p.Status()), func(r string) bool { return strings.Contains(r, tt.finding) && strings.Contains(r, "; fix") })
				})
				if got := strings.Count(log.String(), tt.finding); got > 2 { // once for each of the two bridges
					t.Errorf("%q is logged %d times", tt.finding, got)
				}
			}
			for how, o := range map[string]client.FollowOptions{
				"from-start": {FromStart: true, StopAtEnd: true},
				"by-kind": {FromStart: true, StopAtEnd: true, Subjects: []string{
					"treble.message.delivered", "treble.message.read", "treble.contact.opted_out"}},
				"from-sequence": {FromSeq: 3, StopAtEnd: true},
				"since":         {Since: time.Now().Add(-time.Hour), StopAtEnd: true, HeadersOnly: true},
				"since-later":   {Since: time.Now().Add(time.Hour), StopAtEnd: true},
			} {
				want := ids
				switch how {
				case "from-sequence":
					want = ids[2:]
				case "since-later":
					want = nil
				}
				if got := followed(t, reader(t, r.URL), o); !slices.Equal(got, want) {
					t.Errorf("%s: read %v", how, got)
				}
			}
			live(t, p, reader(t, r.URL))
		})
	}
}

// followed returns the ids of what Follow reads.
func followed(t *testing.T, c *client.Client, o client.FollowOptions) (ids []string) {
	t.Helper()
	for m, err := range c.Follow(t.Context(), o) {
		if err != nil {
			t.Errorf("Follow: %v", err)
			break
		}
		ids = append(ids, m.Header[schema.HeaderMsgID][0])
	}
	return ids
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

func reader(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), clientOptions(options(t, url)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
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
			r := startReloaded(t, "accounts: {A: {jetstream: {"+tt.limits+"}, users: [{user: a, password: a-password}]}}\nno_auth_user: a")
			o := withJournal(t, r.URL)
			if tt.change != nil {
				tt.change(&o.Config)
			}
			p := open(t, o)
			i := slices.IndexFunc(p.Findings(), func(f streams.Finding) bool { return f.Stream == tt.stream })
			if i < 0 || !strings.HasPrefix(p.Findings()[i].Fix, tt.fix) {
				t.Errorf("findings %v, want %s", p.Findings(), tt.fix)
			}
		})
	}
}

// TestAssets: in an account that takes only streams with a limit, all is made, and what is made
// is what Assets says, with a bound.
func TestAssets(t *testing.T) {
	r := startReloaded(t, "accounts: {A: {jetstream: {max_bytes_required: true}, users: [{user: a, password: a-password}]}}\nno_auth_user: a")
	o := withJournal(t, r.URL)
	o.Config.MaxBytes = 1 << 20
	open(t, o)
	c := reader(t, r.URL)
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
		accept(t, p, ids[i*10:i*10+10]...)
		settle(t, p)
		if err := p.Conn().NATS().ForceReconnect(); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, p)
	if got := n.IDs(t, "TREBLE"); !slices.Equal(got, ids) {
		t.Errorf("the stream holds %v", got)
	}
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
			r := startReloaded(t, `accounts: {A: {jetstream: enabled, mappings: {"treble.>": "`+tt.to+`"}, users: [{user: a, password: a-password}]}}`+"\nno_auth_user: a")
			r.Stream(t, jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other.>"}})
			p := open(t, withJournal(t, r.URL))
			accept(t, p, "e")
			natstest.Eventually(t, "the reason", func() bool {
				return slices.ContainsFunc(reasonsOf(p.Status()), func(r string) bool { return strings.Contains(r, tt.why) })
			})
		})
	}
}

// TestFirstStartWarnsOfNothing: a first start with an empty NATS warns of nothing, and a publish has its
// time in the metric.
func TestFirstStartWarnsOfNothing(t *testing.T) {
	for _, ack := range []string{publisher.AckJournal, publisher.AckStream} {
		t.Run(ack, func(t *testing.T) {
			n := natstest.Start(t)
			o := withJournal(t, n.URL)
			o.Config.Ack = ack
			log := &natstest.LogBuffer{}
			o.Log = log.Logger()
			p := open(t, o)
			accept(t, p, "e")
			if p.Events() != nil {
				settle(t, p)
			}
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, `"level":"warn"`) || strings.Contains(line, `"level":"error"`) {
					t.Error(line)
				}
			}
			if !observed(t, o.Metrics, "treble_bridge_publish_ack_seconds") {
				t.Error("treble_bridge_publish_ack_seconds has no observation")
			}
		})
	}
}

// observed reports whether a histogram has an observation.
func observed(t *testing.T, reg prometheus.Registerer, name string) bool {
	t.Helper()
	families, err := reg.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetHistogram().GetSampleCount() > 0
		}
	}
	return false
}
