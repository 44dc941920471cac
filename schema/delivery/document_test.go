package delivery

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDocument holds the scan to encoding/json: the same texts are JSON, and say the same.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `{"a":1}`, `{"a" : [1, -0.5e+3, true , false,null, "x\u00e9\n"]}`, `{"a":{"a":1},"a":2}`, `{"\u0061":1,"a":2}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0,"a":0}`,
		`"\ud83d\ude00\ud83d"`, `"\udc00\ud800\u"`, "\"\xff\"", "\"\x1f\"", `01`, `1.`, `1e`, `-`, `+1`, `.5`, `tru`, `nullx`, `[1,]`, `{"a":1,}`, `{,}`, `{"a"}`, `[}`, `{"a":1]`, `1 2`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d document
		ok := d.scan(text, 0)
		if want := json.Valid([]byte(text)) && !deeperThan([]byte(text), MaxDepth); ok != want {
			t.Fatalf("scan: got %v, want %v", ok, want)
		}
		if !ok {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(text)); err != nil || !bytes.Equal(d.withoutSpace(), compact.Bytes()) {
			t.Errorf("without space: got %q, want %q (%v)", d.withoutSpace(), compact.Bytes(), err)
		}
		if d.invalidUTF8 != !utf8.ValidString(text) {
			t.Errorf("invalid UTF-8: got %v", d.invalidUTF8)
		}
		if twice := keyTwice(t, text); !d.invalidUTF8 && d.twice != twice {
			t.Errorf("a key twice: got %v, want %v", d.twice, twice)
		}
		if !d.invalidUTF8 {
			compareValue(t, d.root(), []byte(text))
		}
	})
}

// compareValue walks down a value beside what encoding/json reads of it.
func compareValue(t *testing.T, v value, text []byte) {
	t.Helper()
	if got, want := v.json(), string(bytes.Trim(text, " \t\r\n")); got != want {
		t.Fatalf("the bytes: got %q, want %q", got, want)
	}
	switch {
	case v.isString():
		var s string
		if err := json.Unmarshal(text, &s); err != nil || v.unquoted() != s {
			t.Fatalf("%s: got %q, want %q (%v)", text, v.unquoted(), s, err)
		}
	case v.isArray():
		var all []json.RawMessage
		if err := json.Unmarshal(text, &all); err != nil || v.len() != len(all) {
			t.Fatalf("%s: got %d elements, want %d (%v)", text, v.len(), len(all), err)
		}
		for i, e := range v.elements() {
			compareValue(t, e, all[i])
		}
	case v.isObject():
		var all map[string]json.RawMessage
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for name := range v.members() {
			names[name] = true
		}
		if len(names) != len(all) {
			t.Fatalf("%s: got the names %v, want %d", text, names, len(all))
		}
		for name, value := range all {
			compareValue(t, v.get(name), value)
		}
		if v.get("no such name") != (value{}) {
			t.Error("there is a member that is not there")
		}
	}
}

// keyTwice asks encoding/json for one token after the other.
func keyTwice(t *testing.T, text string) bool {
	t.Helper()
	type open struct {
		keys  map[string]bool // nil in an array
		value bool            // the next token is the value of a key
	}
	var stack []*open
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber() // some are too large for a float
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		if end, ok := token.(json.Delim); ok && (end == '}' || end == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if len(stack) > 0 && stack[len(stack)-1].keys != nil {
			if top := stack[len(stack)-1]; !top.value {
				key := token.(string)
				if top.keys[key] {
					return true
				}
				top.keys[key], top.value = true, true
				continue
			} else {
				top.value = false
			}
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, &open{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &open{})
		}
	}
}

// A document that is scanned again knows nothing of the text before.
func TestDocumentAgain(t *testing.T) {
	var d document
	for _, tt := range []struct {
		text                   string
		ok, twice, lone, blank bool
	}{
		{`{"a": 1, "a": "\ud800"}`, true, true, true, true},
		{`{"a":1}`, true, false, false, false},
		{`{"a":`, false, false, false, false},
		{`{"a":{"b":1,"\u0062":1}}`, true, true, false, false},
		{`[]`, true, false, false, false},
	} {
		if ok := d.scan(tt.text, 0); ok != tt.ok {
			t.Errorf("%s: got %v", tt.text, ok)
		}
		if tt.ok && (d.twice != tt.twice || d.loneSurrogate != tt.lone || (len(d.compact) > 0) != tt.blank) {
			t.Errorf("%s: got twice %v, half a pair %v, without blanks %q", tt.text, d.twice, d.loneSurrogate, d.compact)
		}
		d.release()
	}
}
