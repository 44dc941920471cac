package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// What stands in the golden envelopes for what is new every time. The files
// are written by the tests of schema (go test ./schema -run TestGolden
// -update); what comes out of the whole bridge must be the same.
const (
	goldenTime = "2026-01-02T03:04:05.678Z"
	goldenID   = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// checkEvent holds a message of the event stream against the CloudEvents SDK,
// and its subject and headers against its envelope.
func checkEvent(t *testing.T, msg *jetstream.RawStreamMsg) {
	t.Helper()
	var ce event.Event
	if err := json.Unmarshal(msg.Data, &ce); err != nil {
		t.Fatalf("decode with the CloudEvents SDK: %v\n%s", err, msg.Data)
	}
	if err := ce.Validate(); err != nil {
		t.Errorf("validate with the CloudEvents SDK: %v", err)
	}
	kind := strings.TrimPrefix(ce.Type(), "ai.treble.")
	for _, c := range []struct{ what, got, want string }{
		{"subject", msg.Subject, "treble." + kind},
		{"header Nats-Msg-Id", msg.Header.Get("Nats-Msg-Id"), ce.ID()},
		{"header Content-Type", msg.Header.Get("Content-Type"), "application/cloudevents+json"},
		{"header Treble-Kind", msg.Header.Get("Treble-Kind"), kind},
		{"source", ce.Source(), "/treble/default"},
		{"dataschema", ce.DataSchema(), "urn:treble-bridge:" + kind + ":1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}

// compareGolden holds the messages that a payload became against its golden
// envelopes, byte for byte.
func compareGolden(t *testing.T, name string, msgs []*jetstream.RawStreamMsg) {
	t.Helper()
	var got []byte
	for _, m := range msgs {
		got = append(append(got, stable(t, m.Data)...), '\n')
	}
	want, err := os.ReadFile(filepath.Join(bridge.Testdata, "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("envelopes differ from testdata/golden/%s\ngot:  %s\nwant: %s", name, got, want)
	}
}

// stable puts fixed values where an envelope has others every time: the time
// of receipt, and an id that is not made from the body.
func stable(t *testing.T, envelope []byte) []byte {
	t.Helper()
	var e struct{ ID, Time, ReceivedTime, DedupeKey string }
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	set := func(key, old, fixed string) {
		// The attributes stand before data, so the first match is the right one.
		envelope = bytes.Replace(envelope, fmt.Appendf(nil, `"%s":"%s"`, key, old), fmt.Appendf(nil, `"%s":"%s"`, key, fixed), 1)
	}
	set("receivedtime", e.ReceivedTime, goldenTime)
	if e.Time == e.ReceivedTime {
		set("time", e.Time, goldenTime)
	}
	if e.DedupeKey == "none" {
		set("id", e.ID, goldenID)
	}
	return envelope
}
