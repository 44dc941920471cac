package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// deadHost posts deliveries of every form to a bridge, and remembers which were
// answered with 200.
type deadHost struct {
	*bridge.Process
	t        *testing.T
	mu       sync.Mutex
	answered []posted
	unknown  []posted // no answer came
}

// posted is a delivery as it was posted.
type posted struct{ path, body string }

// forms returns the n-th delivery of each form that there is: all payloads of the
// documentation, and what a body may be beside them.
func forms(t *testing.T, n int) []posted {
	t.Helper()
	id := func(form string) string { return fmt.Sprintf("%s-%06d", form, n) }
	all := []posted{
		{"/webhook", "[" + bridge.ReadEvent(id("alone"), n, 10) + "]"}, // an array of one has another id
		{"/webhook", "[ " + bridge.ReadEvent(id("a0"), n, 10) + ",\n" + bridge.ReadEvent(id("a0"), n, 10) + "," + fmt.Sprintf(`{"session_id":"%s"}`, id("a2")) + "]"},
		{"/webhook", strings.Replace(bridge.ReadEvent(id("bytes"), n, 10), "Hello!", "\xff\xfe <&> \u2028", 1)},
		{"/webhook/", "\ufeff\r\n" + strings.Replace(bridge.ReadEvent(id("space"), n, 10), ",", " ,\r\n\t", -1) + "\n"},
	}
	// Bodies that the path decides.
	for _, name := range []string{"read", "delivered", "response", "timeout", "optout", "condition", "conversation-closed", "conversation-closed-hubspot", "hsm-status", "other"} {
		all = append(all,
			posted{"/webhooks/on-" + name, fmt.Sprintf(`{"session_id":"%s","sent_at":"2026-01-01 00:00:00"}`, id(name))},
			posted{"/webhooks/on-" + name, fmt.Sprintf(`{"session_id":"%s"}`, id("untimed-"+name))})
	}
	for _, name := range bridge.Payloads(t) {
		body := bridge.Payload(t, name)
		if name == "array.json" {
			continue // its elements are among the others
		}
		// Different from the last time, where the form allows it.
		body = strings.Replace(body, "{", fmt.Sprintf("{\n \"zq_number\" : %d,", n), 1)
		all = append(all, posted{"/webhook", body})
	}
	return all
}

// post posts deliveries by some connections, until all are posted or the bridge
// is gone.
func (h *deadHost) postAll(deliveries []posted) {
	work := make(chan posted, len(deliveries))
	for _, d := range deliveries {
		work <- d
	}
	close(work)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for d := range work {
				r, err := bridge.Request{Path: d.path, Body: d.body}.Send(h.Addrs.Ingress)
				h.mu.Lock()
				if err == nil && r.Status == http.StatusOK {
					h.answered = append(h.answered, d)
				} else if err == nil {
					h.t.Errorf("%s %.80q: got %d %s, want 200", d.path, d.body, r.Status, r.Body)
				} else {
					h.unknown = append(h.unknown, d)
				}
				h.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	clients.Wait()
}

func (h *deadHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.answered)
}

// TestJournalExport kills a bridge that has no NATS any more, and brings what it
// had answered to another one.
func TestJournalExport(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t)
	env := append(sourceOf("shop"), "TREBLE_BRIDGE_NATS_URL="+nats.ClientURL())
	h := &deadHost{t: t, Process: bridge.Serve(t, env...)}
	h.postAll(forms(t, 0))
	before := len(h.answered)
	var published int
	h.Await("the first are published", func(context.Context) error {
		published = bridge.Stored(t, nats.JS, "TREBLE")
		if v := journalView(t, h.DataDir); v.Pending != 0 || v.Accepted != published {
			return fmt.Errorf("%+v", v)
		}
		return nil
	})
	nats.Kill()

	var all []posted
	for n := range 60 {
		all = append(all, forms(t, n+1)...)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.postAll(all)
	}()
	h.Await("most are answered", bridge.AtLeast(before+len(all)/2, h.count))
	if out, errs, code := cli(t, h.DataDir, env, "journal", "export"); code != 1 || out != "" || !strings.Contains(errs, fmt.Sprintf("in use by the process with pid %d", h.PID())) {
		t.Errorf("while it runs: exit code %d, %q, %s", code, out, errs)
	}
	h.Kill()
	killed := time.Now()
	<-done
	t.Logf("%d deliveries answered before the kill, %d without an answer", len(h.answered)-before, len(h.unknown))

	tree := contents(t, h.DataDir)
	file := filepath.Join(t.TempDir(), "pending.ndjson")
	out := mustCLI(t, h.DataDir, env, "journal", "export", "--to", file, "--json")
	var sum struct{ Exported, Damaged int }
	if err := json.Unmarshal([]byte(out), &sum); err != nil || sum.Damaged != 0 {
		t.Errorf("%v, %s", err, out)
	}
	if v := journalView(t, h.DataDir); v.Pending != sum.Exported {
		t.Errorf("exported %d events, and %d are pending", sum.Exported, v.Pending)
	}
	if now := contents(t, h.DataDir); now != tree {
		t.Error("the export changed the data_dir")
	}

	// Another bridge, and its NATS.
	p := bridge.Serve(t, sourceOf("shop")...)
	mustCLI(t, p.DataDir, sourceOf("shop"), "journal", "set-aside", "retry", "--from", file, "--yes")
	got := envelopes(t, p.JetStream(t))
	if len(got) != sum.Exported {
		t.Errorf("got %d events, want %d", len(got), sum.Exported)
	}
	wanted := 0
	for _, d := range h.answered[before:] {
		for key, want := range expected(t, "shop", d) {
			wanted++
			if data(got[key]) != want {
				t.Errorf("%s %.60q: stored is %s\nwant %s", d.path, d.body, data(got[key]), want)
			}
			delete(got, key)
		}
	}
	for _, d := range h.unknown {
		for key := range expected(t, "shop", d) {
			delete(got, key)
		}
	}
	for key := range got {
		t.Errorf("%s is stored, and nobody posted it", key)
	}
	t.Logf("%d events of answered deliveries are stored once", wanted)

	// Their times of receipt are those of the dead host, which stopped before the other began.
	for _, m := range natstest.Messages(t, p.JetStream(t), "TREBLE") {
		e, err := schema.Decode(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if !e.ReceivedTime.Before(killed) {
			t.Fatalf("%s was received at %s, after its bridge was killed", e.ID, e.ReceivedTime)
		}
	}
}

// expected returns the data of the events of a delivery, each keyed.
func expected(t *testing.T, source string, d posted) map[string]string {
	t.Helper()
	want := map[string]string{}
	parsed := delivery.Parser{}.Parse([]byte(d.body), delivery.Origin{Source: source, Path: strings.TrimRight(d.path, "/"), Received: time.Now()})
	for _, e := range parsed.Events {
		text, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		key, _ := keyed(e, text)
		want[key] = data(string(text))
	}
	return want
}

// data is the type and the data of an envelope.
func data(envelope string) string {
	var e struct {
		Type string
		Data json.RawMessage
	}
	_ = json.Unmarshal([]byte(envelope), &e)
	return e.Type + " " + string(e.Data)
}

// contents is a checksum of all files below dir.
func contents(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	bridge.EachFile(t, dir, func(path string, b []byte) { fmt.Fprintf(h, "%s %d %s\n", path, len(b), b) })
	return fmt.Sprintf("%x", h.Sum(nil))
}

// accountOfJournal is the account that "journal status" prints.
type accountOfJournal struct{ Accepted, Pending int }

func journalView(t *testing.T, dataDir string) accountOfJournal {
	t.Helper()
	return lines[accountOfJournal](t, mustCLI(t, dataDir, nil, "journal", "status", "--json"))[0]
}
