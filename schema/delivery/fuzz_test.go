package delivery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

func addPayloads(f *testing.F, add func([]byte)) {
	f.Helper()
	for _, file := range payloads(f) {
		add(read(f, file))
	}
}

// FuzzParse: whatever comes in, the envelope decodes, raw is the value that
// came, and the kind does not hang on the order of keys or on unknown fields.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `[{"a":1},{"a":2}]`, `{"a":"\ud800","a":"\udc00\ud800"}`, "{\"a\":\"\xff\"}",
		`{"event":"message_read","data":{}}`, `{"session_id":1e5}`, `{"session_id":"s","read_at":"10:30:00 UTC","sent_at":"2024-01 UTC"}`, `{"user_session_keys":[{"key":"l","type":"location","value":"{}"}]}`} {
		f.Add([]byte(s), "/webhooks/on-read")
	}
	addPayloads(f, func(b []byte) { f.Add(b, "/webhook") })
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		before := bytes.Clone(body)
		d := parse(body, path)
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if (d.Rejection == nil) == (len(d.Events) == 0) {
			t.Fatalf("got %d events and rejection %+v, want the one or the other", len(d.Events), d.Rejection)
		}
		for _, e := range d.Events {
			checkEncoded(t, e)
		}
		if len(d.Events) == 1 && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			e := d.Events[0]
			checkRaw(t, e, body)
			checkKind(t, e, path)
		}
	})
}

func checkEncoded(t *testing.T, e schema.Event) {
	t.Helper()
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := schema.Decode(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if again, _ := back.Encode(); !bytes.Equal(again, b) {
		t.Errorf("decoded and encoded again: got %s, want %s", again, b)
	}
	small, _ := e.WithoutCopies()
	if b, err := small.Encode(); err != nil || !json.Valid(b) {
		t.Errorf("without copies: %v: %s", err, b)
	}
}

func checkRaw(t *testing.T, e schema.Event, body []byte) {
	t.Helper()
	want := bytes.Trim(body, " \t\r\n")
	base := e.Data.Base()
	if utf8.Valid(want) {
		if !bytes.Equal(base.Raw, want) || base.RawBase64 != nil {
			t.Errorf("raw: got %s, want %s", base.Raw, want)
		}
		return
	}
	if !bytes.Equal(base.RawBase64, want) || !utf8.Valid(base.Raw) {
		t.Errorf("raw_base64: got %q, want %q; raw: %q", base.RawBase64, want, base.Raw)
	}
}

// checkKind parses the value again with its keys in another order, and with a
// field that means nothing.
func checkKind(t *testing.T, e schema.Event, path string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(e.Data.Base().Raw, &members); err != nil {
		t.Fatal(err)
	}
	members["zz_unknown"] = json.RawMessage(`{"read_at":1}`)
	keys := slices.Sorted(maps.Keys(members))
	slices.Reverse(keys)
	var b bytes.Buffer
	for i, key := range keys {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		quoted, _ := json.Marshal(key)
		b.Write(quoted)
		b.WriteByte(':')
		b.Write(members[key])
	}
	b.WriteByte('}')
	d := parse(b.Bytes(), path)
	if d.Rejection != nil || d.Events[0].Kind != e.Kind {
		t.Errorf("in another order: got %+v, want kind %s\n%s\n%s", d, e.Kind, e.Data.Base().Raw, b.Bytes())
	}
}

// FuzzDecode: no message on the stream can make a consumer panic, and what is
// decoded can be encoded.
func FuzzDecode(f *testing.F) {
	addPayloads(f, func(b []byte) {
		for _, e := range parse(b, "").Events {
			if b, err := e.Encode(); err == nil {
				f.Add(b)
			}
		}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := schema.Decode(b)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := schema.Decode(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

// FuzzKindOfPath: a path of a request is outside bytes too.
func FuzzKindOfPath(f *testing.F) {
	f.Add("/webhooks/on-read")
	f.Add("//on-")
	f.Fuzz(func(t *testing.T, path string) {
		if k := delivery.KindOfPath(path); k != "" && !slices.Contains(schema.Kinds(), k) {
			t.Errorf("%q: got the kind %q", path, k)
		}
	})
}

// checkLarge looks at less than checkEncoded, which reads the body ten times.
func checkLarge(t *testing.T, body string) {
	t.Helper()
	b, err := one(t, body, "/webhook").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) {
		t.Error("the envelope is not JSON")
	}
}

// TestLargeBodies reads bodies of 10 MB that would take hours if any step took
// more than linear time.
func TestLargeBodies(t *testing.T) {
	size := 10 << 20
	if raceEnabled {
		size = 1 << 20
	}
	fill := func(head, part, tail string) string {
		return head + strings.Repeat(part, (size-len(head)-len(tail))/len(part)) + tail
	}
	for _, tt := range []struct{ name, body string }{
		{"one-string", fill(`{"session_id":"s","a":"`, "x", `"}`)},
		{"escapes", fill(`{"session_id":"s","a":"`, `\u00e9`, `"}`)},
		{"backslashes", fill(`{"session_id":"s","a":"`, `\\`, `"}`)},
		{"lone-surrogates", fill(`{"session_id":"s","a":"`, `\ud800`, `"}`)},
		{"invalid-utf8", fill(`{"session_id":"s","a":"`, "\xff\xfe", `"}`)},
		{"same-key", fill(`{"session_id":"s"`, `,"a":1`, `}`)},
		{"same-key-deep", strings.Repeat(`{"a":`, 98) + fill(`{"a":1`, `,"a":1`, `}`) + strings.Repeat("}", 98)},
		{"bulk-at-the-bottom", strings.Repeat(`{"a":`, 98) + fill(`[1`, `,1`, `]`) + strings.Repeat("}", 98)},
		{"objects", fill(`{"session_id":"s","a":[{}`, `,{"b":{"c":[]}}`, `]}`)},
		{"session-keys", fill(`{"session_id":"s","user_session_keys":[{"key":"k"}`, `,{"key":"k","value":"v"}`, `]}`)},
		{"bad-session-keys", fill(`{"session_id":"s","user_session_keys":[1`, `,1`, `]}`)},
		{"messages", fill(`{"event_type":"session.close","event_id":"e","messages":[{}`, `,{"type":"text","text":{"message":"m"},"created_at":"x"}`, `]}`)},
		{"times-of-one-name", fill(`{"session_id":"s"`, `,"_at":"2020-01-01T00:00:00"`, `,"_at":0}`)},
		{"white-space", fill(`{`, " \n", `}`)},
		{"digits", fill(`{"session_id":`, "1", `}`)},
		{"long-number-text", fill(`{"session_id":"s","conversation_id":1.`, "0", `}`)},
		{"location", fill(`{"session_id":"s","user_session_keys":[{"key":"l","type":"location","value":"`, `[[[`, `"}]}`)},
	} {
		t.Run(tt.name, func(t *testing.T) { checkLarge(t, tt.body) })
	}
	t.Run("many-keys", func(t *testing.T) {
		var b strings.Builder
		b.WriteString(`{"session_id":"s"`)
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, `,"key-%d":1`, i)
		}
		b.WriteString("}")
		checkLarge(t, b.String())
	})
	t.Run("not-json-at-the-end", func(t *testing.T) {
		if d := parse(fill(`{"a":[1`, ",1", `]`), "/webhook"); d.Rejection == nil {
			t.Error("accepted, want not-json")
		}
	})
}
