package streams

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func operations(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// between returns what stands between two marks.
func between(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "<!-- "+mark+":begin -->\n")
	part, _, ended := strings.Cut(rest, "<!-- "+mark+":end -->")
	if !found || !ended {
		t.Fatalf("docs/operations.md has no %s", mark)
	}
	return part
}

// TestWhatNATSMustAllow: the page of docs/operations.md has all that is made, and every setting
// that is a finding, each with its severity.
func TestWhatNATSMustAllow(t *testing.T) {
	doc := operations(t)
	var want strings.Builder
	want.WriteString("| Stream | What is in it | Made by | How much | How long |\n|---|---|---|---|---|\n")
	for _, a := range theSpec().Assets() {
		age := "for ever"
		if a.AgeKey != "" {
			age = "`" + a.AgeKey + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | `%s` | %s |\n", a.Stream, a.What, a.MadeBy, a.BytesKey, age)
	}
	if got := between(t, doc, "assets"); got != want.String() {
		t.Errorf("got\n%swant\n%s", got, want.String())
	}
	rows := strings.Split(between(t, doc, "settings"), "\n")
	row := func(setting string) string {
		for _, r := range rows {
			if strings.Contains(r, setting) {
				return r
			}
		}
		return ""
	}
	w := eventStream(theSpec())
	for setting, change := range map[string]func(*jetstream.StreamConfig){
		"`mirror`":                  func(c *jetstream.StreamConfig) { c.Mirror = &jetstream.StreamSource{Name: "X"} },
		"`sealed`":                  func(c *jetstream.StreamConfig) { c.Sealed = true },
		"`no_ack`":                  func(c *jetstream.StreamConfig) { c.NoAck = true },
		"counters":                  func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true },
		"subjects that are missing": func(c *jetstream.StreamConfig) { c.Subjects = []string{"treble.message.read"} },
		"`storage: memory`":         func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"`persist_mode: async`":     func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"`retention: workqueue`":    func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"`interest`":                func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"`max_age`":                 func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"`max_bytes`":               func(c *jetstream.StreamConfig) { c.MaxBytes = 1 },
		"`max_msgs`":                func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 },
		"`max_msgs_per_subject`":    func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"`discard_new_per_subject`": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject, c.DiscardNewPerSubject = 1, true },
		"`discard: old`":            func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 1, jetstream.DiscardOld },
		"`max_msg_size`":            func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1 },
		"`duplicate_window`":        func(c *jetstream.StreamConfig) { c.Duplicates = time.Second },
		"`num_replicas`":            func(c *jetstream.StreamConfig) { c.Replicas = 0 },
		"`subject_transform`":       func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{} },
		"`deny_delete`":             func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"`max_consumers`":           func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 },
		"`consumer_limits`":         func(c *jetstream.StreamConfig) { c.ConsumerLimits.InactiveThreshold = 1 },
		"`allow_direct: false`":     func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"`allow_atomic: false`":     func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"`allow_batched: false`":    func(c *jetstream.StreamConfig) { c.AllowBatchPublish = false },
		"`compression`":             func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression },
		"`deny_purge`":              func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"`allow_rollup_hdrs`":       func(c *jetstream.StreamConfig) { c.AllowRollup = true },
		"`allow_msg_ttl`":           func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"`republish`":               func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{} },
	} {
		have := w.create(serverFacts{fast: true})
		change(&have)
		found := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, fast: true, consumers: 1})
		severity := ""
		if len(found) > 0 {
			severity = string(found[0].Severity)
		}
		if !strings.HasSuffix(strings.TrimRight(row(setting), " |"), severity) || row(setting) == "" || severity == "" && !strings.HasSuffix(row(setting), "| nothing | |") {
			t.Errorf("%s is %q; its row is %q", setting, severity, row(setting))
		}
	}
}
