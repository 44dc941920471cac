package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// sourceOf is the environment of a bridge whose one source takes some kinds; none
// is all of them.
func sourceOf(name string, kinds ...string) []string {
	return []string{
		"TREBLE_BRIDGE_AUTH_BEARER=", // belongs to the default source
		fmt.Sprintf(`TREBLE_BRIDGE_SOURCES=[{name: %s, paths: [/webhook, "/webhooks/on-*"], kinds: [%s], auth: {bearer: [%s]}}]`,
			name, strings.Join(kinds, ","), bridge.Token),
	}
}

// cli runs the binary on a data directory and returns what it wrote and its exit
// code. Nothing that it writes for people may hold a number.
func cli(t *testing.T, dataDir string, env []string, args ...string) (out, errs string, code int) {
	t.Helper()
	out, errs, code = bridge.Command(t, append([]string{"TREBLE_BRIDGE_DATA_DIR=" + dataDir}, env...), args...)
	expectNone(t, strings.Join(args, " ")+" on standard error", errs, personal.phone, personal.text)
	return out, errs, code
}

// mustCLI is cli for a command that has to work.
func mustCLI(t *testing.T, dataDir string, env []string, args ...string) string {
	t.Helper()
	out, errs, code := cli(t, dataDir, env, args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d\n%.2000s%s", args, code, out, errs)
	}
	return out
}

// lines decodes JSON, one object a line.
func lines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %.300s", err, line)
		}
		all = append(all, v)
	}
	return all
}

// exportedLine is a line of an export.
type exportedLine struct {
	ID, Source, Path, Reason string
	Received                 time.Time
	Body                     json.RawMessage
	Base64                   []byte `json:"body_base64"`
}

func (d exportedLine) body() string {
	if d.Body != nil {
		return string(d.Body)
	}
	return string(d.Base64)
}

// refusedBody is a body that a source for message.read refuses.
type refusedBody struct {
	body, path, reason string
	status             int
}

// manyRefused returns n bodies of every reason that a body can be refused for, each
// unlike the others; half of them are of a kind that is not accepted.
func manyRefused(n int) []refusedBody {
	phone := personal.phone.value
	large := strings.Repeat("zq", 50<<10)
	var all []refusedBody
	for i := range n {
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(i) * time.Second).Format(time.DateTime)
		delivered := fmt.Sprintf(`{"session_id":"q-%06d", "country_code":"+57","cellphone":"%s","delivered_at":"%s"}`, i, phone, at)
		kind := func(body string) refusedBody { return refusedBody{body, "/webhook", "kind-not-accepted", 422} }
		bad := func(body, reason string, status int) refusedBody {
			return refusedBody{body, "/webhook", reason, status}
		}
		switch i % 20 {
		case 0: // an array
			all = append(all, kind("[ "+delivered+","+delivered+"\n, "+strings.Replace(delivered, "q-", "q2-", 1)+"]"))
		case 1: // the path says what it is
			b := kind(fmt.Sprintf(`{"session_id":"q-%06d","cellphone":"%s","sent_at":"%s"}`, i, phone, at))
			b.path = "/webhooks/on-delivered"
			all = append(all, b)
		case 2: // neither an id nor a time of its own
			all = append(all, kind(fmt.Sprintf(`{"session_id":"q-%06d","condition":{},"variable":{"value":"%s"}}`, i, phone)))
		case 3:
			all = append(all, kind(strings.Replace(delivered, `,"deliv`, ",\"sent_text\":\"\xff\xfe <&>\u2028\",\r\n\"deliv", 1)))
		case 4:
			all = append(all, bad(delivered[:len(delivered)-1], "not-json", 400))
		case 5:
			all = append(all, bad(fmt.Sprintf("\x00\xff%06d\r\n%s\x1b[2J", i, phone), "not-json", 400))
		case 6:
			all = append(all, bad(fmt.Sprintf(`"%s %d`, phone, i)+large, "not-json", 400))
		case 7:
			all = append(all, bad(fmt.Sprintf("[%d, %s ]", i, phone), "not-object", 400))
		case 8:
			all = append(all, bad(strings.Repeat(`{"a":`, 101)+fmt.Sprint(i)+strings.Repeat("}", 101), "too-deep", 400))
		case 9:
			all = append(all, bad(fmt.Sprintf(`[{"read_at":"%s","cellphone":"%s"}]`, at, phone), "missing-fields", 422))
		default:
			all = append(all, kind(delivered))
		}
	}
	return all
}

// refuse posts bodies that are refused, and waits until all are in the quarantine:
// what waits for it is bounded.
func refuse(t *testing.T, p *bridge.Process, bodies []refusedBody) {
	t.Helper()
	stream, err := p.JetStream(t).Stream(t.Context(), "TREBLE_QUARANTINE")
	if err != nil {
		t.Fatal(err)
	}
	kept := stream.CachedInfo().State.Msgs
	for part := range slices.Chunk(bodies, 400) {
		work := make(chan refusedBody)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for b := range work {
					r, err := bridge.Request{Path: b.path, Body: b.body}.Send(p.Addrs.Ingress)
					if err != nil || r.Status != b.status {
						t.Errorf("%.80q: got %d, %v, want %d", b.body, r.Status, err, b.status)
					}
				}
			})
		}
		for _, b := range part {
			work <- b
		}
		close(work)
		clients.Wait()
		kept += uint64(len(part))
		p.Await("all are in the quarantine", func(ctx context.Context) error {
			if info, err := stream.Info(ctx); err != nil || info.State.Msgs != kept {
				return fmt.Errorf("%v, %w", info, err)
			}
			return nil
		})
	}
}

// keyed returns an envelope and what tells it from others: its id, or, where that
// means nothing, its data; it is then taken out of the envelope.
func keyed(e schema.Event, envelope []byte) (key, text string) {
	if e.DedupeKey == schema.DedupeNone {
		return data(string(envelope)), strings.Replace(string(envelope), e.ID, "", 1)
	}
	return e.ID, string(envelope)
}

// envelopes returns the events in the stream, each keyed.
func envelopes(t *testing.T, js jetstream.JetStream) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range natstest.Messages(t, js, "TREBLE") {
		e, err := schema.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		id, text := keyed(e, m.Data)
		if m.Header.Get(schema.HeaderTest) != "" || e.Data.Base().Test {
			t.Errorf("%s is marked as a test", id)
		}
		if all[id] != "" {
			t.Errorf("%s is stored twice", id)
		}
		all[id] = text
	}
	return all
}

// awaitStored waits until a stream has n messages.
func awaitStored(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	bridge.Await(t, 30*time.Second, "all is published", bridge.AtLeast(n, func() int { return bridge.Stored(t, js, "TREBLE") }))
}

// TestQuarantine takes thousands of refused bodies through every command.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	bodies := manyRefused(2000)
	byReason := map[string]int{}
	events := 0 // of what a wider source takes
	posted := map[string]refusedBody{}
	for _, b := range bodies {
		byReason[b.reason]++
		posted[b.body] = b
		if b.reason == "kind-not-accepted" {
			if events++; b.body[0] == '[' {
				events += 2
			}
		}
	}
	narrow, wide := sourceOf("default", "message.read"), sourceOf("default")
	p := bridge.Serve(t, narrow...)
	q := func(args ...string) string {
		return mustCLI(t, p.DataDir, narrow, append([]string{"quarantine"}, args...)...)
	}
	first, second := bodies[:800], bodies[800:]
	refuse(t, p, first)
	between := time.Now().UTC().Format(time.RFC3339Nano)
	refuse(t, p, second)

	t.Run("list", func(t *testing.T) {
		items := lines[exportedLine](t, q("list", "--json"))
		got := map[string]int{}
		for _, item := range items {
			got[item.Reason]++
		}
		if fmt.Sprint(got) != fmt.Sprint(byReason) {
			t.Errorf("by reason: got %v, want %v", got, byReason)
		}
		text := q("list")
		for reason, n := range byReason {
			if want := fmt.Sprintf("%d %s", n, reason); !strings.Contains(text[strings.LastIndex(strings.TrimSpace(text), "\n"):], want) {
				t.Errorf("the last line does not say %q", want)
			}
		}
		expectNone(t, "list", text, personal.phone)
		for _, c := range []struct {
			want int
			args []string
		}{
			{byReason["too-deep"], []string{"--reason", "too-deep"}},
			{byReason["too-deep"] + byReason["not-object"], []string{"--reason", "too-deep", "--reason", "not-object"}},
			{len(bodies) / 20, []string{"--path", "/webhooks/on-delivered"}},
			{len(first), []string{"--until", between}},
			{len(second), []string{"--since", between}},
			{len(bodies), []string{"--source", "default", "--since", "1h"}},
			{0, []string{"--source", "other"}},
		} {
			if got := strings.Count(q(append([]string{"list", "--json"}, c.args...)...), "\n"); got != c.want {
				t.Errorf("%v: got %d, want %d", c.args, got, c.want)
			}
		}
	})

	t.Run("show", func(t *testing.T) {
		for _, item := range lines[exportedLine](t, q("list", "--json"))[:12] {
			raw := q("show", item.ID, "--raw")
			if b, ok := posted[raw]; !ok || b.reason != item.Reason || b.path != item.Path {
				t.Errorf("%s: --raw is none of the bodies of %s: %.100q", item.ID, item.Reason, raw)
			}
			for _, args := range [][]string{{}, {"--json"}} {
				out := q(append([]string{"show", item.ID}, args...)...)
				expectNone(t, "show", out, personal.phone)
				if !strings.Contains(out, item.ID) || !strings.Contains(out, item.Reason) {
					t.Errorf("show: %.300s", out)
				}
			}
			if out := q("show", item.ID, "--show-pii"); strings.Contains(raw, personal.phone.value) && !strings.Contains(out, personal.phone.value) {
				t.Errorf("show --show-pii does not show the number: %.300s", out)
			}
		}
	})

	file := filepath.Join(t.TempDir(), "refused.ndjson")
	q("export", "--to", file)
	exported := lines[exportedLine](t, bridge.ReadFile(t, file))
	t.Run("export", func(t *testing.T) {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		if _, _, code := cli(t, p.DataDir, narrow, "quarantine", "export", "--to", file); code != 1 {
			t.Errorf("onto a file: exit code %d, want 1", code)
		}
		left := map[string]bool{}
		for _, b := range bodies {
			left[b.body] = true
		}
		for _, d := range exported {
			if b, ok := posted[d.body()]; !ok || b.path != d.Path || b.reason != d.Reason || d.Source != "default" {
				t.Errorf("%s: nobody posted %.100q", d.ID, d.body())
			}
			delete(left, d.body())
		}
		if len(exported) != len(bodies) || len(left) > 0 {
			t.Errorf("exported %d of %d; %d are missing", len(exported), len(bodies), len(left))
		}
	})

	t.Run("retry-too-early", func(t *testing.T) {
		out, errs, code := cli(t, p.DataDir, narrow, "quarantine", "retry", "--reason", "kind-not-accepted", "--until", between, "--yes")
		if n := strings.Count(out, "refused   "); code != 1 || n != len(first)/20*14 {
			t.Errorf("exit code %d, %d are still refused, want %d; %s", code, n, len(first)/20*14, errs)
		}
		out, _, code = cli(t, p.DataDir, sourceOf("other"), "quarantine", "retry", exported[0].ID, "--yes")
		if code != 1 || !strings.Contains(out, "its source is not configured any more") {
			t.Errorf("another source: exit code %d, %s", code, out)
		}
		// The bridge runs with another configuration than this command.
		out, errs, code = cli(t, p.DataDir, wide, "quarantine", "retry", "--reason", "kind-not-accepted", "--yes")
		if strings.Count(out, "\n") != 1 || code != 1 || !strings.Contains(errs, "use the configuration that it runs with") {
			t.Errorf("the bridge refuses it: exit code %d, %s%s", code, out, errs)
		}
	})
	// That one is kept a second time, the newest.
	all := lines[exportedLine](t, q("list", "--json"))
	q("drop", all[len(all)-1].ID, "--yes")

	p.Stop()
	p = bridge.ServeOn(t, p.DataDir, wide...)
	other := bridge.Serve(t, wide...)

	t.Run("retry", func(t *testing.T) {
		out := mustCLI(t, p.DataDir, wide, "quarantine", "retry", "--reason", "kind-not-accepted", "--yes", "--json")
		for _, r := range lines[struct{ Result string }](t, out) {
			if r.Result != "accepted" {
				t.Fatalf("%s", out)
			}
		}
		awaitStored(t, p.JetStream(t), events)
		if out := mustCLI(t, p.DataDir, wide, "quarantine", "list", "--reason", "kind-not-accepted", "--json"); out != "" {
			t.Errorf("still there: %.300s", out)
		}
		got := envelopes(t, p.JetStream(t))
		want := map[string]string{}
		for _, d := range exported {
			if d.Reason != "kind-not-accepted" {
				continue
			}
			// What a direct post gives, at the time of the first receipt.
			parsed := delivery.Parser{}.Parse([]byte(d.body()), delivery.Origin{Source: d.Source, Path: d.Path, Received: d.Received})
			for _, e := range parsed.Events {
				text, err := e.Encode()
				if err != nil {
					t.Fatal(err)
				}
				key, envelope := keyed(e, text)
				want[key] = envelope
			}
		}
		if len(got) != events {
			t.Errorf("got %d events, want %d", len(got), events)
		}
		for id, text := range want {
			if got[id] != text {
				t.Errorf("%s: got %s, want %s", id, got[id], text)
			}
		}
	})

	t.Run("import", func(t *testing.T) {
		out, errs, code := cli(t, other.DataDir, wide, "send", "--file", file, "--concurrency", "4", "--json")
		var sum struct {
			Run      string
			Sent, OK int
			Statuses map[string]int
		}
		if err := json.Unmarshal([]byte(out), &sum); err != nil || code != 1 || sum.Run != "" || sum.Sent != len(bodies) || sum.OK != byReason["kind-not-accepted"] ||
			sum.Statuses["422"] != byReason["missing-fields"] || strings.Count(errs, "not taken: ") != 21 {
			t.Errorf("exit code %d, %s%s", code, out, errs)
		}
		awaitStored(t, other.JetStream(t), events)
		here, there := envelopes(t, p.JetStream(t)), envelopes(t, other.JetStream(t))
		for id, text := range here {
			if there[id] != text {
				t.Errorf("%s: got %s, want %s", id, there[id], text)
			}
		}
		if len(there) != len(here) {
			t.Errorf("got %d events, want %d", len(there), len(here))
		}
	})

	t.Run("drop", func(t *testing.T) {
		const marker = "zqzqzqzqzqzq"
		out := mustCLI(t, p.DataDir, wide, "quarantine", "drop", "--reason", "not-json", "--before", between, "--yes", "--json")
		sum := lines[struct {
			Run           string
			Dropped, Left int
		}](t, out)[0]
		if want := len(first) / 20 * 3; sum.Dropped != want || sum.Left != 0 {
			t.Errorf("%s; want %d dropped", out, want)
		}
		mustCLI(t, p.DataDir, wide, "quarantine", "drop", "--reason", "not-json", "--yes")
		if got := strings.Count(mustCLI(t, p.DataDir, wide, "quarantine", "list", "--json"), "\n"); got != byReason["not-object"]+byReason["too-deep"]+byReason["missing-fields"] {
			t.Errorf("%d are left", got)
		}
		kept := auditRecords(t, p.JetStream(t))[sum.Run]
		var record struct {
			Action, State string
			Counts        map[string]int
		}
		if err := json.Unmarshal([]byte(kept), &record); err != nil || record.Action != "quarantine-drop" || record.State != "done" || record.Counts["dropped"] != sum.Dropped {
			t.Errorf("audit: %v, %s", err, kept)
		}
		expectNone(t, "the audit", kept, personal.phone)
		p.Stop()
		found := slices.DeleteFunc(filesWith(t, p.DataDir, marker), func(path string) bool {
			return strings.HasPrefix(path, filepath.Join(p.DataDir, "refused")) // those copies go by themselves
		})
		if len(found) > 0 {
			t.Errorf("deleted, and the bytes are still in %v", found)
		}
		if found := filesWith(t, other.DataDir, marker); len(found) == 0 {
			t.Error("the bytes are not found where nothing was deleted either: this proves nothing")
		}
	})
	expectNone(t, "the log", p.Output.String()+other.Output.String(), personal.phone)
}

// filesWith returns the files below dir that hold a text.
func filesWith(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	bridge.EachFile(t, dir, func(path string, content []byte) {
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
	})
	return found
}
