package publisher

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
)

// asideOf returns the set-aside of a data directory, with a writer to it.
func asideOf(t *testing.T, dataDir string) (SetAside, *setAside) {
	t.Helper()
	w := newSetAside(t, value.MiB)
	w.dir = filepath.Join(dataDir, "set-aside")
	return OpenSetAside(dataDir), w
}

func put(t *testing.T, w *setAside, m message, reason string) {
	t.Helper()
	if err := w.put(m, reason); err != nil {
		t.Fatal(err)
	}
}

// anEventMessage is an event as the bridge sets it aside.
func anEventMessage(t *testing.T, id, raw string) message {
	t.Helper()
	m, err := eventMessage("treble", "TREBLE", anEvent(id, raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func asideFiles(t *testing.T, s SetAside) []string {
	t.Helper()
	names, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// retryAll retries every file, and returns the errors by id.
func retryAll(t *testing.T, r *Retrier, s SetAside) map[string]error {
	t.Helper()
	errs := map[string]error{}
	for _, name := range asideFiles(t, s) {
		m, err := s.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Retry(t.Context(), m); err != nil {
			errs[m.ID] = err
		}
	}
	return errs
}

func openRetrier(t *testing.T, s SetAside, o Options) *Retrier {
	t.Helper()
	r := NewRetrier(openClient(t, o, ""), s)
	t.Cleanup(r.Close)
	return r
}

func TestRetryPublishesAndRemoves(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	s, w := asideOf(t, o.DataDir)
	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), reasonRefused)
	put(t, w, quarantineMessage("treble", "OLD_NAME_QUARANTINE", rejected("not JSON")), reasonOverflow)
	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), reasonTooLarge)
	p := open(t, o)
	if reasons := strings.Join(p.Status().Reasons, "; "); !strings.Contains(reasons, "3 messages") || !strings.Contains(reasons, "treble-bridge journal set-aside list") {
		t.Errorf("reasons %q, want the number and the command", reasons)
	}
	r := openRetrier(t, s, o)
	if errs := retryAll(t, r, s); len(errs) > 0 {
		t.Fatalf("left: %v", errs)
	}
	if names := asideFiles(t, s); len(names) > 0 {
		t.Errorf("files that are still there: %v", names)
	}
	wantIDs(t, n.ids(t, "TREBLE"), []string{"event-1"}) // the second one was a duplicate
	if got := streamMessages(t, n.js, "TREBLE_QUARANTINE"); len(got) != 1 || string(got[0].Data) != "not JSON" {
		t.Errorf("quarantine: %v", got)
	}
	eventually(t, "the bridge notices", func() bool { return !p.Status().Degraded })
}

func TestRetryKeepsWhatIsNotStored(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	s, w := asideOf(t, o.DataDir)
	r := openRetrier(t, s, o)

	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), reasonRefused)
	if err := retryAll(t, r, s)["event-1"]; err == nil || !strings.Contains(err.Error(), "stream TREBLE does not exist") {
		t.Errorf("no stream: got %v", err)
	}

	stream, err := n.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, MaxMsgSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	large := anEventMessage(t, "event-2", `"`+strings.Repeat("x", 3000)+`"`)
	put(t, w, large, reasonTooLarge)
	errs := retryAll(t, r, s)
	if err := errs["event-2"]; err == nil || !strings.Contains(err.Error(), "NATS takes 2000") || len(errs) != 1 {
		t.Errorf("too large: got %v, want both numbers, and the other one stored", errs)
	}
	if names := asideFiles(t, s); len(names) != 1 || !strings.Contains(names[0], "event-2") {
		t.Errorf("files: %v, want the large one", names)
	}

	cfg := stream.CachedInfo().Config
	cfg.MaxMsgSize, cfg.Sealed = -1, true
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := retryAll(t, r, s)["event-2"]; err == nil || errors.Is(err, ErrAway) {
		t.Errorf("sealed: got %v, want a refusal", err)
	}

	n.Shutdown()
	n.WaitForShutdown()
	if err := retryAll(t, r, s)["event-2"]; !errors.Is(err, ErrAway) {
		t.Errorf("NATS is gone: got %v, want ErrAway", err)
	}
	if names := asideFiles(t, s); len(names) != 1 {
		t.Errorf("files: %v, want the one that was never stored", names)
	}
}

// Without a PubAck the file stays, though the message is stored; the next try
// finds that out.
func TestRetryWithoutPubAck(t *testing.T) {
	n := startNATS(t)
	o := withJournal(t, n.url)
	o.Config.AckTimeout = 300 * time.Millisecond
	s, w := asideOf(t, o.DataDir)
	cfg := jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, NoAck: true}
	if _, err := n.js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	put(t, w, anEventMessage(t, "event-1", `{}`), reasonRefused)
	r := openRetrier(t, s, o)
	if err := retryAll(t, r, s)["event-1"]; !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "it may be stored or not") {
		t.Errorf("got %v, want ErrAway", err)
	}
	names := asideFiles(t, s)
	if len(names) != 1 {
		t.Fatal("the file was removed without a PubAck")
	}
	cfg.NoAck = false
	if _, err := n.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	m, err := s.Read(names[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Retry(t.Context(), m); err != nil || !got.Duplicate || len(asideFiles(t, s)) != 0 {
		t.Errorf("got %+v, %v; want a duplicate, and the file removed", got, err)
	}
	wantIDs(t, n.ids(t, "TREBLE"), []string{"event-1"})
}

func TestSetAsideRead(t *testing.T) {
	s, w := asideOf(t, t.TempDir())
	if names := asideFiles(t, s); len(names) != 0 {
		t.Errorf("no directory: got %v", names)
	}
	put(t, w, anEventMessage(t, "event-1", `{"phone":"+573176477608"}`), reasonTooLarge)
	name := asideFiles(t, s)[0]
	m, err := s.Read(filepath.Join(w.dir, name))
	if err != nil || m.Kind != "message.read" || m.Subject != "treble.message.read" || m.ID != "event-1" || m.Reason != reasonTooLarge || m.Time.IsZero() {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, bad := range []string{"../lock", "/etc/passwd", name + "x", "../set-aside/" + name, "none.msg"} {
		if _, err := s.Read(bad); err == nil {
			t.Errorf("Read(%q): no error", bad)
		}
	}
	whole, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, broken := range [][]byte{whole[:i], append(append(bytes.Clone(whole[:i]), '\n'), whole[i+1:]...)} {
			if err := os.WriteFile(filepath.Join(w.dir, name), broken, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := s.Read(name)
			if err != nil {
				t.Fatalf("a damaged file must be listed: %v", err)
			}
			if m.Damaged == nil {
				continue // a changed header cannot be told
			}
			if strings.Contains(m.Damaged.Error(), "57317") {
				t.Fatalf("personal data in %q", m.Damaged)
			}
			if _, err := m.Line(); err == nil {
				t.Fatal("a damaged message was exported")
			}
		}
	}
}

func TestSetAsideLine(t *testing.T) {
	var line struct {
		File, Subject, Reason string
		Time                  time.Time
		Headers               map[string][]string
		Data                  json.RawMessage
		Base64                string `json:"data_base64"`
	}
	read := func(m message, reason string) []byte {
		t.Helper()
		s, w := asideOf(t, t.TempDir())
		put(t, w, m, reason)
		item, err := s.Read(asideFiles(t, s)[0])
		if err != nil {
			t.Fatal(err)
		}
		b, err := item.Line()
		if err != nil || bytes.Count(b, []byte("\n")) != 1 {
			t.Fatalf("got %q, %v; want one line", b, err)
		}
		line.Data, line.Base64 = nil, ""
		if err := json.Unmarshal(b, &line); err != nil {
			t.Fatal(err)
		}
		return b
	}
	event := anEventMessage(t, "event-1", "{\n  \"big\": 12345678901234567890123, \"html\": \"<&>\"\n}")
	read(event, reasonRefused)
	var compact bytes.Buffer
	if err := json.Compact(&compact, event.data); err != nil || !bytes.Equal(line.Data, compact.Bytes()) || line.Base64 != "" {
		t.Errorf("envelope: got %s\nwant %s", line.Data, compact.Bytes())
	}
	if line.Subject != "treble.message.read" || line.Reason != reasonRefused || line.Headers[schema.HeaderMsgID][0] != "event-1" || line.File == "" || line.Time.IsZero() {
		t.Errorf("got %+v", line)
	}
	for _, body := range []string{"{\"a\": \xff}", "not JSON", `{"json": true}`, ""} {
		read(quarantineMessage("treble", "Q", rejected(body)), reasonQuarantine)
		if got, err := base64.StdEncoding.DecodeString(line.Base64); err != nil || string(got) != body || line.Data != nil {
			t.Errorf("refused body: got %q, %v, want %q", got, err, body)
		}
	}
}
