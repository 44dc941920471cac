package streams

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
)

// theSpec is that of a bridge that is not configured, but for the streams of replays and of
// refused bodies.
func theSpec() Spec {
	return Spec{
		Events: "TREBLE", Prefix: schema.DefaultPrefix, Mode: Create, Discard: DiscardNew, Replicas: 1, Batches: true,
		MaxAge: 720 * time.Hour, QuarantineMaxAge: 720 * time.Hour, QuarantineMaxBytes: value.GiB, AuditMaxBytes: 64 * value.MiB,
		DuplicateWindow: 10 * time.Minute,
	}
}

const (
	anew = "treble-bridge replay --to-file ./TREBLE.ndjson  # the first step of docs/operations.md"
	away = "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX=treble-bridge TREBLE_BRIDGE_PUBLISHER_STREAM=TREBLE_BRIDGE"
)

// settings are streams that a bridge does not make so, and what it finds.
var settings = []struct {
	name     string
	row      string // of the table in docs/operations.md; "" if it has none
	change   func(*jetstream.StreamConfig)
	severity Severity
	problem  string
	fix      string
}{
	{"memory", "`storage: memory`", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, Weak, "in memory",
		anew},
	{"async", "`persist_mode: async`", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, Weak, "async", anew},
	{"work-queue", "`retention: workqueue`", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, Weak, "workqueue", anew},
	{"max-age", "`max_age`", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, Weak, "1h0m0s", "nats stream edit TREBLE --max-age=720h"},
	{"max-bytes", "`max_bytes`", func(c *jetstream.StreamConfig) { c.MaxBytes = 1000 }, Weak, "1000 bytes", "nats stream edit TREBLE --max-bytes=-1"},
	{"max-msgs", "`max_msgs`", func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 }, Weak, "10 messages", "nats stream edit TREBLE --max-msgs=-1"},
	{"max-per-subject", "`max_msgs_per_subject`", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, Weak, "1 messages of each kind", "nats stream edit TREBLE --max-msgs-per-subject=-1"},
	{"max-msg-size", "`max_msg_size`", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 512 }, Weak, "512 bytes", "nats stream edit TREBLE --max-msg-size=-1"},
	{"replicas", "`num_replicas`", func(c *jetstream.StreamConfig) { c.Replicas = 0 }, Weak, "0 replicas", "nats stream edit TREBLE --replicas=1"},
	{"dupe-window", "`duplicate_window`", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }, Weak, "1m0s", "nats stream edit TREBLE --dupe-window=10m"},
	{"no-batches", "`allow_atomic: false`", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }, Slow, "allow_atomic", "nats stream edit TREBLE --allow-batch"},
	{"no-ack", "`no_ack`", func(c *jetstream.StreamConfig) { c.NoAck = true }, Unusable, "no_ack", "nats stream edit TREBLE --ack"},
	{"sealed", "`sealed`", func(c *jetstream.StreamConfig) { c.Sealed = true }, Unusable, "sealed", anew},
	{"mirror", "`mirror`", func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "OTHER"} }, Unusable, "mirror of OTHER", away},
	{"subjects", "subjects that are missing", func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.*", "treble.extra.>"} }, Unusable,
		"treble.contact.opted_out", "nats stream edit TREBLE --subjects 'treble.>'"},
	{"subjects-and-another's", "", func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.*", "extra.>"} }, Unusable,
		"takes extra.> too", "nats stream info TREBLE  # its owner would add treble.contact.opted_out"},
	{"subjects-of-another", "", func(c *jetstream.StreamConfig) { c.Subjects = []string{"extra.>"} }, Unusable, "it is not this bridge's: it takes extra.>", away},
	{"limits-and-another's", "", func(c *jetstream.StreamConfig) { c.Subjects, c.MaxAge = []string{"treble.>", "extra.>"}, time.Hour }, Weak,
		"1h0m0s", "nats stream info TREBLE  # it has extra.> too, so it may not be the bridge's alone: its owner would set --max-age=720h"},
	{"interest", "`interest`", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, Weak, "interest", "nats stream edit TREBLE --retention=limits"},
	{"deny-delete", "`deny_delete`", func(c *jetstream.StreamConfig) { c.DenyDelete = true }, Weak, "deny_delete", anew},
	{"counters", "counters", func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true }, Unusable, "counters", anew},
	{"per-subject-and-refuses", "`discard_new_per_subject`", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true }, Weak, "discard_new_per_subject",
		"nats stream edit TREBLE --no-discard-per-subject --max-msgs-per-subject=-1"},
	{"consumers", "`max_consumers`", func(c *jetstream.StreamConfig) { c.MaxConsumers = 2 }, Slow, "2 of 2 consumers", "nats stream edit TREBLE --max-consumers=-1"},
	{"consumer-limits", "`consumer_limits`", func(c *jetstream.StreamConfig) { c.ConsumerLimits.InactiveThreshold = time.Second }, Slow, "consumer_limits", anew},
	{"no-direct", "`allow_direct: false`", func(c *jetstream.StreamConfig) { c.AllowDirect = false }, Slow, "allow_direct", "nats stream edit TREBLE --allow-direct"},
	{"mirror-of-another-account", "", func(c *jetstream.StreamConfig) {
		c.Mirror = &jetstream.StreamSource{Name: "OTHER", External: &jetstream.ExternalStream{APIPrefix: "$JS.hub.API"}}
	}, Unusable, "mirror of OTHER", away},
	{"mirror-that-falls-short", "", func(c *jetstream.StreamConfig) {
		c.Mirror, c.Subjects = &jetstream.StreamSource{Name: "OTHER"}, nil
		c.Duplicates, c.MaxAge, c.AllowDirect = time.Second, time.Hour, false
	}, Unusable, "mirror of OTHER", away},
	{"transform", "`subject_transform`", func(c *jetstream.StreamConfig) {
		c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
	}, Weak, "renames", "nats stream edit TREBLE --no-transform"},
}

func TestFindings(t *testing.T) {
	w := eventStream(theSpec())
	for _, tt := range settings {
		t.Run(tt.name, func(t *testing.T) {
			have := w.create(serverFacts{fast: true})
			tt.change(&have)
			got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, fast: true, consumers: 2})
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
		have := w.create(serverFacts{fast: true})
		have.MaxBytes, have.Discard = 1000, jetstream.DiscardOld
		if got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, fast: true}); len(got) != 2 || !strings.Contains(got[1].Fix, "--discard=new") {
			t.Errorf("findings = %v, want the limit and the discard policy", got)
		}
	})
	t.Run("max-consumers-of-older-servers", func(t *testing.T) {
		have := w.create(serverFacts{fast: true})
		have.MaxConsumers = 2
		for version, want := range map[string]string{
			"2.10.0":  "nats stream info TREBLE  # nats-server 2.10.0 may refuse to change max_consumers",
			"2.12.1":  "may refuse",
			"2.14.0":  "nats stream edit TREBLE --max-consumers=-1",
			"2.15.2":  "nats stream edit TREBLE --max-consumers=-1",
			"3.0.0-X": "nats stream edit TREBLE --max-consumers=-1",
		} {
			got := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, fast: true, consumers: 2, version: version})
			if len(got) != 1 || !strings.Contains(got[0].Fix, want) {
				t.Errorf("%s: got %v, want %q", version, got, want)
			}
		}
	})
	t.Run("retention-of-older-servers", func(t *testing.T) {
		have := w.create(serverFacts{fast: true})
		have.Retention, have.MaxAge = jetstream.InterestPolicy, time.Hour
		for version, changes := range map[string]bool{"2.9.10": false, "2.10.0": true, "2.15.2": true, "": true} {
			server := serverFacts{maxPayload: 1 << 20, batches: true, fast: true, version: version}
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
	t.Run("fast-batches", func(t *testing.T) {
		w := w
		w.Replicas = 1
		older := serverFacts{maxPayload: 1 << 20, batches: true, version: "2.12.1"}
		have := w.create(older)
		if have.AllowBatchPublish || !have.AllowAtomicPublish {
			t.Errorf("%+v: such a server refuses a stream with a setting that it does not know", have)
		}
		if found := compare(w, have, older); len(found) != 0 {
			t.Errorf("findings = %v, want none: there is nothing to change", found)
		}
		if _, changed := w.extend(have, older); changed {
			t.Error("apply sets what the server does not know")
		}
		newer := serverFacts{maxPayload: 1 << 20, batches: true, fast: true, version: "2.14.0"}
		if found := compare(w, have, newer); len(found) != 1 || found[0].Severity != Slow || found[0].Fix != "nats stream edit TREBLE --allow-fast" {
			t.Errorf("findings = %v, want the line that allows them", found)
		}
		if extended, changed := w.extend(have, newer); !changed || !extended.AllowBatchPublish {
			t.Errorf("%+v: apply does not allow fast batches", extended)
		}
		have.Replicas = 3
		if found := compare(w, have, newer); len(found) != 0 {
			t.Errorf("findings = %v, want none: with replicas they are not used", found)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		generous := w.create(serverFacts{fast: true})
		generous.MaxAge, generous.Duplicates, generous.Replicas = 0, time.Hour, 5
		generous.Subjects = []string{"treble.>", "more.>"}
		// What refuses nothing that the bridge does.
		generous.Compression, generous.DenyPurge, generous.AllowRollup, generous.AllowMsgTTL, generous.FirstSeq, generous.MaxConsumers = jetstream.S2Compression, true, true, true, 7, 10
		generous.RePublish = &jetstream.RePublish{Source: ">", Destination: "copy.>"}
		if got := compare(w, generous, serverFacts{maxPayload: 1 << 20, batches: true, fast: true}); len(got) != 0 {
			t.Errorf("findings = %v, want none for a stream that is better than configured", got)
		}
	})
}

func TestKindsAndReasonsAreCovered(t *testing.T) {
	c := theSpec()
	c.Prefix = "my.own"
	for _, w := range []wantedStream{eventStream(c), quarantineStream(c)} {
		if missing := uncovered(w.Subjects, w.subjects); len(missing) > 0 {
			t.Errorf("%s does not capture %v", w.Name, missing)
		}
	}
	if n := len(eventStream(c).subjects); n != len(schema.Kinds()) {
		t.Errorf("%d subjects, want one for each kind", n)
	}
}

// The lines of a missing stream are as the nats CLI takes them.
func TestLinesForAMissingStream(t *testing.T) {
	c := theSpec()
	c.MaxBytes = 1 << 30
	all := wantedStreams(c)
	for i, want := range []string{
		"nats stream add TREBLE --subjects 'treble.>' --storage=file --retention=limits --discard=new --replicas=1 --dupe-window=10m --allow-batch --allow-fast --max-age=720h --max-bytes=1073741824 --defaults",
		"nats stream add TREBLE_QUARANTINE --subjects 'treble-quarantine.>' --storage=file --retention=limits --discard=old --replicas=1 --dupe-window=10m --allow-batch --allow-fast --max-age=720h --max-bytes=1073741824 --defaults",
	} {
		if got := createLine(all[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
