package events

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// stored is an event as the stream holds it.
func stored(t *testing.T, data schema.Payload, kind schema.Kind, raw string) client.Message {
	t.Helper()
	data.Base().Raw = json.RawMessage(raw)
	e := schema.Event{
		ID: strings.Repeat("a", 26), Source: "default", Kind: kind, Subject: data.Base().SessionID,
		Time: time.Now(), ReceivedTime: time.Now(), DedupeKey: schema.DedupeContent, Data: data,
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return client.Message{Sequence: 1, Subject: "treble." + string(kind), Data: b}
}

func TestLineCannotSteerATerminal(t *testing.T) {
	evil := "\x1b]0;title\x07\n\u009b2J\u202e"
	raw := `{"actual_response":"` + "\u009b" + `2J\u001b"}`
	s := stored(t, &schema.MessageResponded{Common: schema.Common{SessionID: evil, Phone: evil}, ActualResponse: evil}, schema.KindMessageResponded, raw)
	for name, f := range map[string]eventFormat{
		"human":   {terminal: true, showPII: true},
		"masked":  {terminal: true},
		"json":    {terminal: true, json: true, showPII: true},
		"raw":     {terminal: true, raw: true, showPII: true},
		"no-json": {terminal: true, json: true, showPII: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := s
			if name == "no-json" {
				m.Data = []byte(evil)
			}
			line := strings.TrimSuffix(string(f.line(m)), "\n")
			if strings.ContainsAny(line, "\x1b\x07\n\u009b\u202e") { // not steers: that is what is tested
				t.Errorf("got %q", line)
			}
		})
	}
	pipe := eventFormat{raw: true, showPII: true}
	if got := string(pipe.line(s)); got != raw+"\n" {
		t.Errorf("in a pipe: got %q, want the exact %q", got, raw)
	}
}

func TestRawShowsTheExactBytes(t *testing.T) {
	exact := []byte("{\"a\":\"\xff\"}")
	s := stored(t, &schema.Unrecognized{Common: schema.Common{RawBase64: exact}}, schema.KindUnrecognized, "{\"a\":\"\ufffd\"}")
	if got := string(eventFormat{raw: true, showPII: true}.line(s)); got != string(exact)+"\n" {
		t.Errorf("got %q, want %q", got, exact)
	}
	if got := string(eventFormat{raw: true}.line(s)); got != "{\"a\":\"\ufffd\"}\n" {
		t.Errorf("masked: got %q", got)
	}
}

// An event that this version does not read is shown as JSON alone.
func TestLineOfALaterVersion(t *testing.T) {
	got := string(eventFormat{}.line(client.Message{Sequence: 7, Subject: "treble.x", Data: []byte(`{"specversion":"1.0","data":{"phone":"3161234567"}}`)}))
	if !strings.Contains(got, "event 7 on treble.x cannot be shown in words: use --json") || strings.Contains(got, "3161234567") {
		t.Errorf("got %q", got)
	}
}
