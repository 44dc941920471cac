package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// TestReply: what is written is what is sent, from wherever it comes.
func TestReply(t *testing.T) {
	for _, c := range []struct {
		name, yaml, want string
		warns            bool
	}{
		{"json-in-a-string", `'{"b": 1,"a": [ 1e3 ]}'`, `{"b": 1,"a": [ 1e3 ]}`, false},
		{"json-with-space-around", "' {} '", `{}`, false},
		{"flow-that-is-json", `{"b": 1,  "a": [1.0, 1E+3, null]}`, `{"b": 1,  "a": [1.0, 1E+3, null]}`, false},
		{"flow-after-non-ascii", "{\"ñ\": \"¿Sí? ✓\"}", "{\"ñ\": \"¿Sí? ✓\"}", false},
		{"escapes", `{"a": "\u00e9\n"}`, `{"a": "\u00e9\n"}`, false},
		{"escaped-slash", `{"a": "\/\\/"}`, `{"a": "\/\\/"}`, false},
		{"surrogates", `{"\ud83d\ude00": "\uD83D\uDE00\u00e9"}`, `{"\ud83d\ude00": "\uD83D\uDE00\u00e9"}`, false},
		{"half-a-surrogate", `{"a": "\ud83d", "b": "\ude00\ud83d\u00e9"}`, `{"a": "\ud83d", "b": "\ude00\ud83d\u00e9"}`, false},
		{"escapes-of-json-in-yaml", `{a: "x\/\ud83d\ude00\ud83dy\\/", b: '\/\ud83d', c: x\/y}`, `{"a":"x/😀�y\\/","b":"\\/\\ud83d","c":"x\\/y"}`, false},
		{"escapes-in-a-block", "|\n      {\"a\": \"\\/\\ud83d\\ude00\"}\n", `{"a": "\/\ud83d\ude00"}`, false},
		{"escapes-and-the-mark", "{\"a\": \"\\/\ue000\", b: \"\ue000\"}", "{\"a\":\"/\ue000\",\"b\":\"\ue000\"}", false},
		{"flow-over-lines", "{\"a\": 1,\n      \"b\": 2}", "{\"a\": 1,\n      \"b\": 2}", false},
		{"names-without-quotes", "{ok: true, count: 3}", `{"ok":true,"count":3}`, false},
		{"order", "\n      z: 1\n      a: 2\n      m: {y: 1, b: 2}", `{"z":1,"a":2,"m":{"y":1,"b":2}}`, false},
		{"day", "{on: 2026-01-31}", `{"on":"2026-01-31"}`, false},
		{"time", "{at: 2026-01-31T08:00:00Z}", `{"at":"2026-01-31T08:00:00Z"}`, false},
		{"leading-zero", "{code: 0123}", `{"code":"0123"}`, true},
		{"hexadecimal", "{code: 0x10}", `{"code":"0x10"}`, true},
		{"octal", "{code: 0o17}", `{"code":"0o17"}`, true},
		{"underscores", "{code: 1_000}", `{"code":"1_000"}`, true},
		{"plus", "{phone: +573001234567}", `{"phone":"+573001234567"}`, true},
		{"infinite", "{x: .inf}", `{"x":".inf"}`, true},
		{"bare-point", "{x: .5}", `{"x":".5"}`, true},
		{"exponent", "{x: 1e3}", `{"x":1e3}`, false},
		{"big", "{x: 123456789012345678901234567890}", `{"x":123456789012345678901234567890}`, false},
		{"long-fraction", "{x: 0.10000000000000000001}", `{"x":0.10000000000000000001}`, false},
		{"negative-zero", "{x: -0}", `{"x":-0}`, false},
		{"null", "{x: null, y: }", `{"x":null,"y":null}`, false},
		{"tilde", "{x: ~}", `{"x":"~"}`, true},
		{"true", "{x: True}", `{"x":"True"}`, true},
		{"yes", "{x: yes}", `{"x":"yes"}`, false},
		{"quoted", `{x: "1", y: '0123', z: "true"}`, `{"x":"1","y":"0123","z":"true"}`, false},
		{"tagged", "{x: !!str 1}", `{"x":"1"}`, false},
		{"number-as-name", "{1: a, true: b}", `{"1":"a","true":"b"}`, false},
		{"markup", "{x: <b>&</b>}", `{"x":"<b>&</b>"}`, false},
		{"block-text", "\n      x: |\n        a\n        b", `{"x":"a\nb"}`, false},
		{"alias", "{x: &a [1, 01], y: *a}", `{"x":[1,"01"],"y":[1,"01"]}`, true},
		{"empty", "{}", `{}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := mustLoad(t, "sources:\n  - name: a\n    paths: [/a]\n    reply: "+c.yaml)
			if got := l.Sources[0].Reply; got != value.Object(c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if !json.Valid([]byte(l.Sources[0].Reply)) {
				t.Error("it is not JSON")
			}
			if got := strings.Contains(strings.Join(l.Warnings, "\n"), "sources[0].reply"); got != c.warns {
				t.Errorf("warnings %q, want one: %v", l.Warnings, c.warns)
			}
			if again := mustLoad(t, printed(t, l)).Sources[0].Reply; again != value.Object(c.want) {
				t.Errorf("after config print: got %s, want %s", again, c.want)
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		const reply = `{"on": 2026, "z": "é", "a":1e3}`
		for name, text := range map[string]string{
			"json":             `[{"name":"a","paths":["/a"],"reply":` + reply + `}]`,
			"yaml":             "- name: a\n  paths: [/a]\n  reply: " + reply,
			"byte-order-mark":  "\ufeff[{name: a, paths: [/a], reply: " + reply + "}]\n",
			"tabs":             "[\n\t{\"name\": \"a\",\n\t\"paths\"\n:[\"/a\"], \"kinds\": null,\n\t\t\"reply\":" + reply + "\n\t}\n]",
			"json-in-a-string": `[{"name":"a","paths":["/a"],"reply":"{\"on\": 2026, \"z\": \"é\", \"a\":1e3}"}]`,
		} {
			t.Setenv("TREBLE_BRIDGE_SOURCES", text)
			if got := mustLoad(t, "").Sources[0].Reply; got != reply {
				t.Errorf("%s: got %s, want %s", name, got, reply)
			}
		}
	})
	// What JSON may hold and the reader of YAML does not take.
	t.Run("environment-json", func(t *testing.T) {
		for _, reply := range []string{
			`{"a": "\ud83d\ude00\/"}`, "{\"a\": \"\x7f\"}", "{\"a\"\n:1}", "{\"a\":\n\t[\n\t1e3\n\t]}", "{\"a\": \"\u2028\"}", `{"` + strings.Repeat("n", 2000) + `": 1}`,
		} {
			t.Setenv("TREBLE_BRIDGE_SOURCES", `[{"name":"a","paths":["/a"],"reply":`+reply+`,"auth":{"disabled":true}}]`)
			if s := mustLoad(t, "").Sources[0]; s.Reply != value.Object(reply) || !s.Auth.Disabled {
				t.Errorf("got %s %v, want %s", s.Reply, s.Auth.Disabled, reply)
			}
		}
	})
}

// TestReplyBehindLineBreaks: YAML ends a line at more than a line feed, and each source has
// its own reply all the same.
func TestReplyBehindLineBreaks(t *testing.T) {
	for name, mark := range map[string]string{"carriage-return": "\r", "crlf": "\r\n", "next-line": "\u0085", "line-separator": "\u2028", "paragraph-separator": "\u2029"} {
		t.Run(name, func(t *testing.T) {
			l := mustLoad(t, "log:\n  level: \"in\\"+mark+"fo\"\nsources:\n"+
				`- {name: a, paths: [/a], reply: {"a": 1.0}}`+"\n"+
				`- {name: b, paths: [/b], reply: {"b": 1.0}}`+"\n"+
				`- {name: c, paths: [/c], reply: {"c": 1.0}}`+"\n")
			for i, want := range []value.Object{`{"a": 1.0}`, `{"b": 1.0}`, `{"c": 1.0}`} {
				if got := l.Sources[i].Reply; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestReplyErrors(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"array", "[1]", `sources[0].reply: want an object: put the JSON of a reply into single quotes, or on lines of its own behind "reply: |" (line 4)`},
		{"array-in-a-string", "'[1]'", "sources[0].reply: is no JSON object"},
		{"number-in-a-string", `'{"a": 0123}'`, "sources[0].reply: is not JSON: the mistake is at byte"},
		{"text", "received", "sources[0].reply: is no JSON object: put the JSON of a reply into single quotes"},
		{"not-yaml", `{"a": "\xg"}`, "sources[].reply: "},
		{"not-yaml-remedy", `{"a": "\xg"}`, "single quotes"},
		{"not-yaml-line", "{\n  \"a\": 1,\n  \"b\"\n  :2}", "sources[].reply: line 4: "},
		{"not-yaml-elsewhere", "{}\n    paths: [", "is not YAML: line 5: did not find"},
		{"twice", "{a: 1, b: {c: 1, c: 2}}", "sources[0].reply.b.c: stands here twice"},
		{"twice-in-json", `{"a": [{"c": 1, "c": 2}]}`, "sources[0].reply: has a name twice"},
		{"twice-in-a-string", `'{"a": 1, "\u0061": 2}'`, "sources[0].reply: has a name twice"},
		{"itself", "&a {x: *a}", "nested deeper"},
		{"merged", "{<<: {a: 1}}", "want names as keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, "sources:\n  - name: a\n    paths: [/a]\n    reply: "+c.yaml, nil)
			checkError(t, err, c.want)
		})
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("TREBLE_BRIDGE_SOURCES", `[{"name":"a","reply":{"a":1}`)
		_, err := load(t, "", nil)
		checkError(t, err, "environment TREBLE_BRIDGE_SOURCES: is no JSON, and is not YAML: ")
	})
}

// TestEscapesOfJSON: they are read everywhere between double quotes, and nowhere else.
func TestEscapesOfJSON(t *testing.T) {
	got := mustLoad(t, `auth: {bearer: ["a\/b-\ud83d\ude00", 'c\/d', e\/f]}`).Auth.Bearer
	if len(got) != 3 || got[0] != "a/b-😀" || got[1] != `c\/d` || got[2] != `e\/f` {
		t.Errorf("got %d secrets, or others", len(got))
	}
}

// A warning about the value of a variable names it: its path begins in there.
func TestWarningsNameTheVariable(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_SOURCES", `[{"name": "a", "paths": ["/a"], "auth": {"bearer": ["0123456789abcdef0123"]}, "reply": {"code": 0123}}]`)
	const want = "environment TREBLE_BRIDGE_SOURCES: [0].reply.code: is sent as a text"
	if got := strings.Join(mustLoad(t, "").Warnings, "\n"); !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
