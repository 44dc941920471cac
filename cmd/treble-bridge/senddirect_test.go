package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// TestSendDirect: the events are in the stream as the bridge would have put them
// there, under the ids that it would give them.
func TestSendDirect(t *testing.T) {
	c := testConfig(t)
	b := start(t, c)
	defer b.stop(t)
	send := func(want int, args ...string) (summary, string) {
		t.Helper()
		code, out, errs := command(t.Context(), "", append([]string{"send", "--direct", "--json", "--data-dir", c.DataDir}, args...)...)
		var sum summary
		if err := json.Unmarshal([]byte(out), &sum); code != want || err != nil {
			t.Fatalf("%v: exit %d, want %d; %v: %s%s", args, code, want, err, out, errs)
		}
		return sum, errs
	}
	sum, _ := send(exitFine, "message.read", "--count", "5", "--concurrency", "2")
	if sum.Statuses[statusStored] != 5 || sum.OK != 5 || !strings.HasPrefix(sum.URL, "nats://127.0.0.1:") {
		t.Errorf("got %+v", sum)
	}
	body := schematest.Body(schema.KindConversationClosed)
	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, _ := send(exitFine, file); sum.Statuses[statusStored] != 1 {
		t.Errorf("file: got %+v", sum)
	}
	if sum, _ := send(exitFine, file); sum.Statuses[statusDuplicate] != 1 || sum.OK != 1 {
		t.Errorf("the same file: got %+v", sum)
	}
	code, out, errs := command(t.Context(), "", "tail", "--no-follow", "--json", "--data-dir", c.DataDir)
	if code != exitFine {
		t.Fatalf("tail: exit %d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 6 {
		t.Fatalf("got %d events, want 6:\n%s", len(lines), out)
	}
	if last, err := schema.Decode([]byte(lines[5])); err != nil || last.ID != schematest.Event(schema.KindConversationClosed).ID {
		t.Errorf("got the id %s, %v; want that of the body from the source default", last.ID, err)
	}
	for _, line := range lines {
		if e, err := schema.Decode([]byte(line)); err != nil || !e.Data.Base().Test || e.Source != "default" {
			t.Errorf("got %s, %v; want a test event of the source default", line, err)
		}
	}
	for _, c := range []struct{ name, env, value, want string }{
		{"no-stream", "TREBLE_BRIDGE_PUBLISHER_SUBJECT_PREFIX", "elsewhere", "nats stream add TREBLE --subjects 'elsewhere.>'"},
		{"other-stream", "TREBLE_BRIDGE_PUBLISHER_STREAM", "OTHER", "set publisher.stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.env, c.value)
			sum, errs := send(exitFailed, "message.read", "--count", "1000")
			if sum.Statuses["no stream"] == 0 || sum.Sent > 2 || !strings.Contains(errs, c.want) {
				t.Errorf("got %+v, %s; want that it stops and says %q", sum, errs, c.want)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		if err := os.WriteFile(file, []byte(`{"read_at": "2026-01-01T00:00:00Z"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, _ := command(t.Context(), "", "send", "--direct", "--data-dir", c.DataDir, file)
		if code != exitFailed || !strings.Contains(out, "refused: 1") || !strings.Contains(out, "missing-fields: session_id: missing") {
			t.Errorf("exit %d, %s", code, out)
		}
	})
}

func TestSendDirectWrongUsage(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	for _, c := range []struct{ name, args, want string }{
		{"url", "send message.read --direct --url http://127.0.0.1:1/", "--direct and --url"},
		{"token", "send message.read --direct --token x", "--direct and --token"},
		{"header", "send message.read --direct -H X:y", "--direct and --header"},
		{"lines", "send pending.ndjson --direct", "which knows their sources"},
		{"nats-url", "send message.read --nats-url nats://127.0.0.1:1", "--nats-url is where to publish with --direct"},
		{"elsewhere", "send message.read --direct --nats-url nats://user:word@nats.example:4222", "Publish 1 test events to NATS at nats.example:4222? Nobody can be asked"},
		{"one-elsewhere", "send message.read --direct --nats-url 127.0.0.1:1,nats.example", "nats.example? Nobody"},
		{"stdin-elsewhere", "send - --direct --nats-url nats.example", "Nobody can be asked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errs := command(t.Context(), "", strings.Fields(c.args)...)
			if code != exitUsage || !strings.Contains(errs, c.want) || strings.Contains(errs, "word") {
				t.Errorf("got exit %d, %q; want 2 and %q", code, errs, c.want)
			}
		})
	}
}
