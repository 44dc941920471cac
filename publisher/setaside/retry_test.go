package setaside_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/setaside"
	"github.com/treble-bridge/treble-bridge/schema"
)

// asideOf returns the set-aside of a data directory, with a writer to it.
func asideOf(t *testing.T, dataDir string) (setaside.Dir, *setaside.Store) {
	t.Helper()
	w := setaside.Open(dataDir, value.MiB, nil, zap.NewNop(), nil)
	return setaside.OpenDir(dataDir, nil), w
}

func put(t *testing.T, w *setaside.Store, m broker.Message, reason string) {
	t.Helper()
	if err := w.Put(t.Context(), m, reason); err != nil {
		t.Fatal(err)
	}
}

// anEventMessage is an event as the bridge sets it aside.
func anEventMessage(t *testing.T, id, raw string) broker.Message {
	t.Helper()
	e := natstest.Event(id, raw)
	data, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return broker.Message{Subject: "treble.message.read", ID: id, Header: broker.HeaderOf(e.Header()), Data: data}
}

// aRefusedBody returns a refused body as an older version sets it aside.
func aRefusedBody(body string) broker.Message {
	h := map[string][]string{"Nats-Msg-Id": {"body-1"}, "Nats-Expected-Stream": {"OLD_NAME_QUARANTINE"}}
	return broker.Message{Subject: "treble-quarantine.not-json", ID: "body-1", Header: broker.HeaderOf(h), Data: []byte(body)}
}

func asideFiles(t *testing.T, s setaside.Dir) []string {
	t.Helper()
	names, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// retryAll retries every file, and returns the errors by id.
func retryAll(t *testing.T, r *setaside.Retrier, s setaside.Dir) map[string]error {
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

func openRetrier(t *testing.T, s setaside.Dir, url string, timeout time.Duration) *setaside.Retrier {
	t.Helper()
	cfg := natsconfig.Default()
	cfg.URL = url
	conn, err := broker.Connect(t.Context(), cfg, "", "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	r := setaside.NewRetrier(conn, s, setaside.RetryOptions{Events: "TREBLE", Prefix: "treble", Timeout: timeout})
	t.Cleanup(r.Close)
	return r
}

// startWithStreams starts a server with the streams of the events and of the refused bodies.
func startWithStreams(t *testing.T) *natstest.Server {
	t.Helper()
	n := natstest.Start(t)
	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}})
	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE_QUARANTINE", Subjects: []string{"treble-quarantine.>"}})
	return n
}

func TestRetryPublishesAndRemoves(t *testing.T) {
	n := startWithStreams(t)
	s, w := asideOf(t, t.TempDir())
	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), setaside.Refused)
	put(t, w, aRefusedBody("not JSON"), setaside.Overflow)
	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), setaside.TooLarge)
	r := openRetrier(t, s, n.URL, 2*time.Second)
	if errs := retryAll(t, r, s); len(errs) > 0 {
		t.Fatalf("left: %v", errs)
	}
	if names := asideFiles(t, s); len(names) > 0 {
		t.Errorf("files that are still there: %v", names)
	}
	if got := n.IDs(t, "TREBLE"); !slices.Equal(got, []string{"event-1"}) { // the second one was a duplicate
		t.Errorf("stream: %v", got)
	}
	if got := n.Messages(t, "TREBLE_QUARANTINE"); len(got) != 1 || string(got[0].Data) != "not JSON" || got[0].Header.Get("Nats-Expected-Stream") != "" {
		t.Errorf("quarantine: %v", got)
	}
}

// What was set aside under another prefix is published under that of today.
func TestRetryUsesThePrefixOfToday(t *testing.T) {
	n := startWithStreams(t)
	s, w := asideOf(t, t.TempDir())
	old := anEventMessage(t, "event-1", `{"a":1}`)
	old.Subject = "before.message.read"
	put(t, w, old, setaside.Uncaptured)
	body := aRefusedBody("not JSON")
	body.Subject = "before-quarantine.not-json"
	body.Header = append(body.Header, broker.Field{Name: schema.HeaderReason, Value: string(schema.ReasonNotJSON)})
	put(t, w, body, setaside.Quarantine)
	if errs := retryAll(t, openRetrier(t, s, n.URL, 2*time.Second), s); len(errs) > 0 {
		t.Fatalf("left: %v", errs)
	}
	for stream, want := range map[string]string{"TREBLE": "treble.message.read", "TREBLE_QUARANTINE": "treble-quarantine." + string(schema.ReasonNotJSON)} {
		if got := n.Messages(t, stream); len(got) != 1 || got[0].Subject != want {
			t.Errorf("%s: %v, want %s", stream, got, want)
		}
	}
}

func TestRetryKeepsWhatIsNotStored(t *testing.T) {
	n := natstest.Start(t)
	s, w := asideOf(t, t.TempDir())
	r := openRetrier(t, s, n.URL, 2*time.Second)

	put(t, w, anEventMessage(t, "event-1", `{"a":1}`), setaside.Refused)
	if err := retryAll(t, r, s)["event-1"]; err == nil || !strings.Contains(err.Error(), "stream TREBLE does not exist") {
		t.Errorf("no stream: got %v", err)
	}

	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, MaxMsgSize: 2000})
	large := anEventMessage(t, "event-2", `"`+strings.Repeat("x", 3000)+`"`)
	put(t, w, large, setaside.TooLarge)
	errs := retryAll(t, r, s)
	if err := errs["event-2"]; err == nil || !strings.Contains(err.Error(), "NATS takes 2000") || len(errs) != 1 {
		t.Errorf("too large: got %v, want both numbers, and the other one stored", errs)
	}
	if names := asideFiles(t, s); len(names) != 1 || !strings.Contains(names[0], "event-2") {
		t.Errorf("files: %v, want the large one", names)
	}

	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgSize, c.Sealed = -1, true })
	if err := retryAll(t, r, s)["event-2"]; err == nil || errors.Is(err, setaside.ErrAway) {
		t.Errorf("sealed: got %v, want a refusal", err)
	}

	n.Kill()
	if err := retryAll(t, r, s)["event-2"]; !errors.Is(err, setaside.ErrAway) {
		t.Errorf("NATS is gone: got %v, want ErrAway", err)
	}
	if names := asideFiles(t, s); len(names) != 1 {
		t.Errorf("files: %v, want the one that was never stored", names)
	}
}

// Without a PubAck the file stays, though the message is stored; the next try
// finds that out.
func TestRetryWithoutPubAck(t *testing.T) {
	n := natstest.Start(t)
	s, w := asideOf(t, t.TempDir())
	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, NoAck: true})
	put(t, w, anEventMessage(t, "event-1", `{}`), setaside.Refused)
	r := openRetrier(t, s, n.URL, 300*time.Millisecond)
	if err := retryAll(t, r, s)["event-1"]; !errors.Is(err, setaside.ErrAway) || !strings.Contains(err.Error(), "it may be stored or not") {
		t.Errorf("got %v, want ErrAway", err)
	}
	names := asideFiles(t, s)
	if len(names) != 1 {
		t.Fatal("the file was removed without a PubAck")
	}
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.NoAck = false })
	m, err := s.Read(names[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Retry(t.Context(), m); err != nil || !got.Duplicate || len(asideFiles(t, s)) != 0 {
		t.Errorf("got %+v, %v; want a duplicate, and the file removed", got, err)
	}
	n.WantIDs(t, "TREBLE", "event-1")
}

func TestDirRead(t *testing.T) {
	dataDir := t.TempDir()
	s, w := asideOf(t, dataDir)
	if names := asideFiles(t, s); len(names) != 0 {
		t.Errorf("no directory: got %v", names)
	}
	put(t, w, anEventMessage(t, "event-1", `{"phone":"+573176477608"}`), setaside.TooLarge)
	name := asideFiles(t, s)[0]
	path := filepath.Join(dataDir, datadir.SetAside, name)
	m, err := s.Read(path)
	if err != nil || m.Kind != "message.read" || m.Subject != "treble.message.read" || m.ID != "event-1" || m.Reason != setaside.TooLarge || m.Time.IsZero() {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, bad := range []string{"../lock", "/etc/passwd", name + "x", "../set-aside/" + name, "none.msg"} {
		if _, err := s.Read(bad); err == nil {
			t.Errorf("Read(%q): no error", bad)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, broken := range [][]byte{whole[:i], append(append(bytes.Clone(whole[:i]), '\n'), whole[i+1:]...)} {
			if err := os.WriteFile(path, broken, 0o600); err != nil {
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

func TestDirLine(t *testing.T) {
	var line struct {
		File, Subject, Reason string
		Time                  time.Time
		Headers               map[string][]string
		Data                  json.RawMessage
		Base64                string `json:"data_base64"`
	}
	read := func(m broker.Message, reason string) []byte {
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
	read(event, setaside.Refused)
	var compact bytes.Buffer
	if err := json.Compact(&compact, event.Data); err != nil || !bytes.Equal(line.Data, compact.Bytes()) || line.Base64 != base64.StdEncoding.EncodeToString(event.Data) {
		t.Errorf("envelope: got %s\nwant %s", line.Data, compact.Bytes())
	}
	if line.Subject != "treble.message.read" || line.Reason != setaside.Refused || line.Headers[schema.HeaderMsgID][0] != "event-1" || line.File == "" || line.Time.IsZero() {
		t.Errorf("got %+v", line)
	}
	for _, body := range []string{"{\"a\": \xff}", "not JSON", `{"json": true}`, ""} {
		read(aRefusedBody(body), setaside.Quarantine)
		if got, err := base64.StdEncoding.DecodeString(line.Base64); err != nil || string(got) != body || line.Data != nil {
			t.Errorf("refused body: got %q, %v, want %q", got, err, body)
		}
	}
}

// TestParseLine: a line gives back the message that it was made of, and what it may lack is named.
func TestParseLine(t *testing.T) {
	body := aRefusedBody("not JSON \xff")
	body.Header = append(body.Header, broker.Field{Name: schema.HeaderReason, Value: "not-json"})
	for _, m := range []broker.Message{
		anEventMessage(t, "event-1", `{"html":"<&>","big":12345678901234567890123}`), anEventMessage(t, "event-2", "{\n\t\"a\" : 1 }"), body,
	} {
		was := setaside.MessageOf(setaside.Entry{Message: m, Reason: setaside.Pending, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)})
		line, err := was.Line()
		if err != nil {
			t.Fatal(err)
		}
		got, err := setaside.ParseLine(line)
		if err != nil || !reflect.DeepEqual(got, was) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, got, was)
		}
	}
	for line, want := range map[string]string{
		`x`: "no JSON object", `{"subject":1}`: "subject: may not be a number", `{"data":{}}`: "subject: is missing",
		`{"subject":"a","headers":{"Nats-Msg-Id":["a"]}}`:                                   "neither data nor data_base64",
		`{"subject":"a","headers":{"Nats-Msg-Id":["a"]},"data_base64":"*"}`:                 "data_base64: is no base64",
		`{"subject":"a","headers":{"Treble-Kind":["message.read"]},"data":{"s3cret":true}}`: "headers: Nats-Msg-Id is missing",
	} {
		if _, err := setaside.ParseLine([]byte(line)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}
