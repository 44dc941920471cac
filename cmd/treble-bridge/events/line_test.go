package events

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
)

// stored is an event as the stream holds it; what is left out is filled in.
func stored(t *testing.T, e schema.Event) client.Message {
	t.Helper()
	e.ID, e.Source, e.DedupeKey = cmp.Or(e.ID, strings.Repeat("a", 26)), "default", schema.DedupeContent
	if e.Subject = e.Data.Base().SessionID; e.Time.IsZero() {
		e.Time, e.ReceivedTime = time.Now(), time.Now()
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return client.Message{Sequence: 1, Subject: "treble." + string(e.Kind), Data: b}
}

func TestLineCannotSteerATerminal(t *testing.T) {
	evil := "\x1b]0;title\x07\n\u009b2J\u202e"
	raw := `{"actual_response":"` + "\u009b" + `2J\u001b"}`
	s := stored(t, schema.Event{Kind: schema.KindMessageResponded, Data: &schema.MessageResponded{
		Common: schema.Common{SessionID: evil, Phone: evil, Raw: []byte(raw)}, ActualResponse: evil}})
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
	s := stored(t, schema.Event{Kind: schema.KindUnrecognized, Data: &schema.Unrecognized{
		Common: schema.Common{Raw: []byte("{\"a\":\"\ufffd\"}"), RawBase64: exact}}})
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
