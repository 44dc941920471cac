package publisher

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

func TestFindings(t *testing.T) {
	const anew = "treble-bridge replay --to-file ./TREBLE.ndjson  # the first step of docs/operations.md"
	const away = "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=treble-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_BRIDGE"
	base := DefaultConfig()
	base.Replicas = 3
	tests := []struct {
		name     string
		change   func(*jetstream.StreamConfig)
		severity Severity
		problem  string
		fix      string
	}{
		{"memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, Weak, "in memory",
			anew},
		{"async", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, Weak, "async", anew},
		{"work-queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, Weak, "workqueue", anew},
		{"max-age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, Weak, "1h0m0s", "nats stream edit TREBLE --max-age=720h"},
		{"max-bytes", func(c *jetstream.StreamConfig) { c.MaxBytes = 1000 }, Weak, "1000 bytes", "nats stream edit TREBLE --max-bytes=-1"},
		{"max-msgs", func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 }, Weak, "10 messages", "nats stream edit TREBLE --max-msgs=-1"},
		{"max-per-subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, Weak, "1 messages of each kind", "nats stream edit TREBLE --max-msgs-per-subject=-1"},
		{"max-msg-size", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 512 }, Weak, "512 bytes", "nats stream edit TREBLE --max-msg-size=-1"},
		{"replicas", func(c *jetstream.StreamConfig) { c.Replicas = 1 }, Weak, "1 replicas", "nats stream edit TREBLE --replicas=3"},
		{"dupe-window", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }, Weak, "1m0s", "nats stream edit TREBLE --dupe-window=10m"},
		{"no-batches", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }, Slow, "allow_atomic", "nats stream edit TREBLE --allow-batch"},
		{"no-ack", func(c *jetstream.StreamConfig) { c.NoAck = true }, Unusable, "no_ack", "nats stream edit TREBLE --ack"},
		{"sealed", func(c *jetstream.StreamConfig) { c.Sealed = true }, Unusable, "sealed", anew},
		{"mirror", func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "OTHER"} }, Unusable, "mirror of OTHER", away},
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.*", "treble.extra.>"} }, Unusable,
			"treble.contact.opted_out", "nats stream edit TREBLE --subjects 'treble.>'"},
		{"subjects-and-another's", func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.*", "extra.>"} }, Unusable,
			"takes extra.> too", "nats stream info TREBLE  # its owner would add treble.contact.opted_out"},
		{"subjects-of-another", func(c *jetstream.StreamConfig) { c.Subjects = []string{"extra.>"} }, Unusable, "it is not this bridge's: it takes extra.>", away},
		{"limits-and-another's", func(c *jetstream.StreamConfig) { c.Subjects, c.MaxAge = []string{"treble.>", "extra.>"}, time.Hour }, Weak,
			"1h0m0s", "nats stream info TREBLE  # it has extra.> too, so it may not be the bridge's alone: its owner would set --max-age=720h"},
		{"interest", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, Weak, "interest", "nats stream edit TREBLE --retention=limits"},
		{"deny-delete", func(c *jetstream.StreamConfig) { c.DenyDelete = true }, Weak, "deny_delete", anew},
		{"counters", func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true }, Unusable, "counters", anew},
		{"per-subject-and-refuses", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true }, Weak, "discard_new_per_subject",
			"nats stream edit TREBLE --no-discard-per-subject --max-msgs-per-subject=-1"},
		{"consumers", func(c *jetstream.StreamConfig) { c.MaxConsumers = 2 }, Slow, "2 of 2 consumers", "nats stream edit TREBLE --max-consumers=-1"},
		{"consumer-limits", func(c *jetstream.StreamConfig) { c.ConsumerLimits.InactiveThreshold = time.Second }, Slow, "consumer_limits", anew},
		{"no-direct", func(c *jetstream.StreamConfig) { c.AllowDirect = false }, Slow, "allow_direct", "nats stream edit TREBLE --allow-direct"},
		{"mirror-of-another-account", func(c *jetstream.StreamConfig) {
			c.Mirror = &jetstream.StreamSource{Name: "OTHER", External: &jetstream.ExternalStream{APIPrefix: "$JS.hub.API"}}
		}, Unusable, "mirror of OTHER", away},
		{"mirror-that-falls-short", func(c *jetstream.StreamConfig) {
			c.Mirror, c.Subjects = &jetstream.StreamSource{Name: "OTHER"}, nil
			c.Duplicates, c.MaxAge, c.AllowDirect = time.Second, time.Hour, false
		}, Unusable, "mirror of OTHER", away},
		{"transform", func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
		}, Weak, "renames", "nats stream edit TREBLE --no-transform"},
	}
	w := eventStream(base.Spec(""))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := w.create()
			tt.change(&have)
			got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, consumers: 2})
			if len(got) != 1 {
				t.Fatalf("findings = %v, want one", got)
			}
			f := got[0]
			if f.Severity != tt.severity || !strings.Contains(f.Problem, tt.problem) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("got %s %+v, want %s, %q, %q", f.Severity, f, tt.severity, tt.problem, tt.fix)
			}
		})
	}
	t.Run("discard-old", func(t *testing.T) {
		have := w.create()
		have.MaxBytes, have.Discard = 1000, jetstream.DiscardOld
		if got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true}); len(got) != 2 || !strings.Contains(got[1].Fix, "--discard=new") {
			t.Errorf("findings = %v, want the limit and the discard policy", got)
		}
	})
	t.Run("max-consumers-of-older-servers", func(t *testing.T) {
		have := w.create()
		have.MaxConsumers = 2
		for version, want := range map[string]string{
			"2.10.0":  "nats stream info TREBLE  # nats-server 2.10.0 may refuse to change max_consumers",
			"2.12.1":  "may refuse",
			"2.14.0":  "nats stream edit TREBLE --max-consumers=-1",
			"2.15.2":  "nats stream edit TREBLE --max-consumers=-1",
			"3.0.0-X": "nats stream edit TREBLE --max-consumers=-1",
		} {
			got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, consumers: 2, version: version})
			if len(got) != 1 || !strings.Contains(got[0].Fix, want) {
				t.Errorf("%s: got %v, want %q", version, got, want)
			}
		}
	})
	t.Run("retention-of-older-servers", func(t *testing.T) {
		have := w.create()
		have.Retention, have.MaxAge = jetstream.InterestPolicy, time.Hour
		for version, changes := range map[string]bool{"2.9.10": false, "2.10.0": true, "2.15.2": true, "": true} {
			server := serverFacts{maxPayload: 1 << 20, batches: true, version: version}
			found := compare(w, have, server)
			if got := slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Fix, "--retention=limits") }); got != changes {
				t.Errorf("%q: a line changes the retention %v, want %v", version, got, changes)
			}
			extended, _ := w.extend(have, server)
			if got := extended.Retention == jetstream.LimitsPolicy; got != changes || extended.MaxAge != w.MaxAge {
				t.Errorf("%q: apply changes the retention %v, want %v, and the age in any case", version, got, changes)
			}
		}
	})
	t.Run("nothing", func(t *testing.T) {
		generous := w.create()
		generous.MaxAge, generous.Duplicates, generous.Replicas = 0, time.Hour, 5
		generous.Subjects = []string{"treble.>", "more.>"}
		// What refuses nothing that the bridge does.
		generous.Compression, generous.DenyPurge, generous.AllowRollup, generous.AllowMsgTTL, generous.FirstSeq, generous.MaxConsumers = jetstream.S2Compression, true, true, true, 7, 10
		generous.RePublish = &jetstream.RePublish{Source: ">", Destination: "copy.>"}
		if got := compare(w, generous, serverFacts{maxPayload: 1 << 20, batches: true}); len(got) != 0 {
			t.Errorf("findings = %v, want none for a stream that is better than configured", got)
		}
	})
}

// poor is a stream that falls short in all that can be raised on one node.
func poor() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{"treble.message.>"}, Storage: jetstream.FileStorage,
		MaxAge: time.Hour, MaxBytes: 1 << 20, MaxMsgs: 1000, MaxMsgSize: 1000, Duplicates: time.Second, NoAck: true,
		Description: "mine", Discard: jetstream.DiscardNew,
	}
}

func TestStreamModes(t *testing.T) {
	shared := poor()
	shared.Subjects = []string{"treble.>", "mine.>"}
	tests := []struct {
		name     string
		mode     string
		existing *jetstream.StreamConfig
		ready    bool
		degraded bool
		check    func(t *testing.T, got *jetstream.StreamConfig)
	}{
		{name: "create-missing", mode: StreamsCreate, ready: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got == nil || got.Storage != jetstream.FileStorage || !slices.Equal(got.Subjects, []string{"treble.>"}) ||
				got.Duplicates != 10*time.Minute || got.MaxAge != 720*time.Hour || got.Discard != jetstream.DiscardNew || !got.AllowDirect {
				t.Errorf("stream = %+v", got)
			}
		}},
		{name: "check-missing", mode: StreamsCheck, degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got != nil {
				t.Errorf("stream made: %+v", got)
			}
		}},
		{name: "create-existing", mode: StreamsCreate, existing: new(poor()), degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got.MaxAge != time.Hour || !got.NoAck {
				t.Errorf("stream changed: %+v", got)
			}
		}},
		{name: "apply-existing", mode: StreamsApply, existing: new(poor()), ready: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got.MaxAge != 720*time.Hour || got.MaxBytes != -1 || got.MaxMsgs != -1 || got.MaxMsgSize != -1 || got.NoAck || got.Duplicates != 10*time.Minute {
				t.Errorf("stream not extended: %+v", got)
			}
			if !slices.Equal(got.Subjects, []string{"treble.>"}) || got.Description != "mine" {
				t.Errorf("the user's own is gone: %+v", got)
			}
		}},
		{name: "apply-shared", mode: StreamsApply, existing: &shared, degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if !slices.Equal(got.Subjects, shared.Subjects) || got.MaxAge != time.Hour || got.MaxMsgs != 1000 || got.Duplicates != time.Second || !got.NoAck {
				t.Errorf("a stream that is not ours alone is changed: %+v", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := startNATS(t)
			if tt.existing != nil {
				if _, err := n.js.CreateStream(t.Context(), *tt.existing); err != nil {
					t.Fatal(err)
				}
			}
			o := options(t, n.url)
			o.Config.Streams = tt.mode
			p := open(t, o)
			if s := p.Status(); s.Ready != tt.ready || s.Degraded != tt.degraded {
				t.Errorf("Status = %+v, want ready %v, degraded %v", s, tt.ready, tt.degraded)
			}
			var got *jetstream.StreamConfig
			if s, err := n.js.Stream(t.Context(), "TREBLE"); err == nil {
				got = &s.CachedInfo().Config
			}
			tt.check(t, got)
		})
	}
}

// apply leaves alone what is more generous than configured.
func TestApplyNeverShrinks(t *testing.T) {
	n := startNATS(t)
	generous := jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{">"}, NoAck: true, Storage: jetstream.FileStorage, Duplicates: time.Hour, AllowDirect: true, AllowAtomicPublish: true,
	}
	generous.Subjects = []string{"treble.>", "mine.>"}
	generous.NoAck = false
	s, err := n.js.CreateStream(t.Context(), generous)
	if err != nil {
		t.Fatal(err)
	}
	before := s.CachedInfo().Config
	o := options(t, n.url)
	o.Config.Streams, o.Config.MaxBytes, o.Config.MaxAge = StreamsApply, 1<<20, time.Hour
	p := open(t, o)
	s, err = n.js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	after := s.CachedInfo().Config
	if after.MaxAge != before.MaxAge || after.MaxBytes != before.MaxBytes || after.Duplicates != before.Duplicates || !slices.Equal(after.Subjects, before.Subjects) {
		t.Errorf("stream = %+v, was %+v", after, before)
	}
	if f := p.Findings(); len(f) != 0 {
		t.Errorf("findings = %v, want none", f)
	}
}

// A stream deleted while the bridge runs is made again, soon after the first
// publish that misses it; that publish is refused.
func TestDeletedStreamIsMadeAgain(t *testing.T) {
	n := startNATS(t)
	p := open(t, options(t, n.url))
	if err := n.js.DeleteStream(t.Context(), "TREBLE"); err != nil {
		t.Fatal(err)
	}
	if err := p.Accept(t.Context(), deliveryOf("missed")); err == nil {
		t.Fatal("Accept without a stream = nil")
	}
	eventually(t, "accepted again", func() bool { return p.Accept(t.Context(), deliveryOf("next")) == nil })
	if got := n.ids(t, "TREBLE"); !slices.Equal(got, []string{"next"}) {
		t.Errorf("stream holds %v, want [next]", got)
	}
}

// What changes at runtime is found by the periodic look, and is logged once.
func TestFindingsFollowTheStream(t *testing.T) {
	n := startNATS(t)
	var log logBuffer
	o := options(t, n.url)
	o.Log = log.logger()
	o.recheck = 50 * time.Millisecond
	p := open(t, o)
	if s := p.Status(); !s.Ready || s.Degraded {
		t.Fatalf("Status = %+v, want ready", s)
	}
	s, err := n.js.Stream(t.Context(), "TREBLE")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxMsgs = 5
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "degraded", func() bool { return p.Status().Degraded })
	if got := metric(t, o.Metrics, "treble_bridge_stream_findings", string(Weak)); got != 1 {
		t.Errorf("stream_findings{weak} = %v, want 1", got)
	}
	cfg.MaxMsgs = -1
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "mended", func() bool { return !p.Status().Degraded })
	if got := strings.Count(log.String(), "stream is not as it should be"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
}

func TestKindsAndReasonsAreCovered(t *testing.T) {
	c := DefaultConfig()
	c.SubjectPrefix = "my.own"
	for _, w := range []wantedStream{eventStream(c.Spec("")), quarantineStream(c.Spec(""))} {
		if missing := uncovered(w.Subjects, w.subjects); len(missing) > 0 {
			t.Errorf("%s does not capture %v", w.Name, missing)
		}
	}
	if n := len(eventStream(c.Spec("")).subjects); n != len(schema.Kinds()) {
		t.Errorf("%d subjects, want one for each kind", n)
	}
}

// The lines of a missing stream are as the nats CLI takes them.
func TestLinesForAMissingStream(t *testing.T) {
	c := DefaultConfig()
	c.MaxBytes = 1 << 30
	streams := wantedStreams(c.Spec(""))
	for i, want := range []string{
		"nats stream add TREBLE --subjects 'treble.>' --storage=file --retention=limits --discard=new --replicas=1 --dupe-window=10m --allow-batch --max-age=720h --max-bytes=1073741824 --defaults",
		"nats stream add TREBLE_QUARANTINE --subjects 'treble-quarantine.>' --storage=file --retention=limits --discard=old --replicas=1 --dupe-window=10m --allow-batch --max-age=720h --max-bytes=1073741824 --defaults",
	} {
		if got := createLine(streams[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestOverlapIsLeftAlone: what has our subjects is not ours, and so the bridge gives way.
func TestOverlapIsLeftAlone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		prefix string
		taken  []string // subjects of the other stream
		want   string   // the prefix that the fix proposes, and the stream
	}{
		{"production-beside-a-second-bridge", "treble.dev", []string{"treble.>"}, "treble-dev TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_DEV"},
		{"same-prefix", "treble", []string{"treble.>"}, "treble-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_BRIDGE"},
		{"part-of-it", "treble", []string{"treble.message.*", "mine.>"}, "treble-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_BRIDGE"},
		{"proposal-taken-too", "treble.dev", []string{"treble.>", "treble-dev.>", "treble-dev-bridge.message.read"}, "treble-dev-2 TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_DEV_2"},
		{"quarantine-of-the-proposal-taken", "treble.dev", []string{"treble.>", "treble-dev-quarantine.>"}, "treble-dev-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_DEV_BRIDGE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := startNATS(t)
			if _, err := n.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: tt.taken}); err != nil {
				t.Fatal(err)
			}
			o := withJournal(t, n.url)
			o.Config.SubjectPrefix = tt.prefix
			p := open(t, o)
			findings := p.Findings()
			if len(findings) == 0 {
				t.Fatal("no finding")
			}
			if f := findings[0]; f.Fix != "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX="+tt.want || f.FixIn != InEnv ||
				!strings.Contains(f.Problem, "OTHER captures subjects of "+tt.prefix+".>") {
				t.Errorf("%+v", f)
			}
			if !slices.ContainsFunc(p.Status().Reasons, func(r string) bool {
				return strings.Contains(r, "; fix, in the environment: TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=")
			}) {
				t.Errorf("%+v", p.Status())
			}
		})
	}
}
