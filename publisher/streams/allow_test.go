package streams

import (
	"fmt"
	"os"
	"strings"
	"testing"

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
	check := func(setting string, change func(*jetstream.StreamConfig)) {
		t.Helper()
		have := w.create(serverFacts{fast: true})
		change(&have)
		found := compare(w, have, serverFacts{maxPayload: 1 << 20, batches: true, fast: true, consumers: 2})
		severity := ""
		if len(found) > 0 {
			severity = string(found[0].Severity)
		}
		if !strings.HasSuffix(strings.TrimRight(row(setting), " |"), severity) || row(setting) == "" || severity == "" && !strings.HasSuffix(row(setting), "| nothing | |") {
			t.Errorf("%s is %q; its row is %q", setting, severity, row(setting))
		}
	}
	for _, s := range settings {
		if s.row != "" {
			check(s.row, s.change)
		}
	}
	for setting, change := range map[string]func(*jetstream.StreamConfig){
		"`discard: old`":         func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 1, jetstream.DiscardOld },
		"`allow_batched: false`": func(c *jetstream.StreamConfig) { c.AllowBatchPublish = false },
		"`compression`":          func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression },
		"`deny_purge`":           func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"`allow_rollup_hdrs`":    func(c *jetstream.StreamConfig) { c.AllowRollup = true },
		"`allow_msg_ttl`":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"`republish`":            func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{} },
	} {
		check(setting, change)
	}
}
