package repo

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// compileSchema compiles a document with a library that is not ours, formats
// and metaschema included. The fragment may be empty.
func compileSchema(t *testing.T, document []byte, fragment string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	const at = "urn:test:document"
	if err := c.AddResource(at, readJSON(t, document)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(at + fragment)
	if err != nil {
		t.Fatalf("not a JSON Schema: %v", err)
	}
	return s
}

func readJSON(t *testing.T, b []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// envelopesOf returns events of a kind by a name: golden ones, and those that
// schematest makes.
func envelopesOf(t *testing.T, k schema.Kind) map[string][]byte {
	t.Helper()
	all := map[string][]byte{
		"schematest":      schematest.Envelope(k),
		"schematest-test": schematest.Envelope(k, schematest.Seed(1), schematest.TestRun("run")),
	}
	names, err := fs.Glob(schematest.Golden(), string(k)+"/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: got %d golden envelopes, error %v", k, len(names), err)
	}
	for _, name := range names {
		if all[name], err = fs.ReadFile(schematest.Golden(), name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestEventsFitTheirSchema: every golden envelope and every event of schematest
// fits the schema of its kind, that of the envelope and that in the AsyncAPI
// document, and none of another kind.
func TestEventsFitTheirSchema(t *testing.T) {
	envelope := compileSchema(t, schema.EnvelopeSchema(), "")
	kinds := map[schema.Kind]*jsonschema.Schema{}
	for _, k := range schema.Kinds() {
		b, _ := schema.JSONSchema(k)
		kinds[k] = compileSchema(t, b, "")
	}
	for _, k := range schema.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			document := asyncPayload(t, k)
			for name, b := range envelopesOf(t, k) {
				v := readJSON(t, b)
				for of, s := range map[string]*jsonschema.Schema{"the kind": kinds[k], "the envelope": envelope, "AsyncAPI": document} {
					if err := s.Validate(v); err != nil {
						t.Errorf("%s does not fit the schema of %s: %v", name, of, err)
					}
				}
				for other, s := range kinds {
					if other != k && s.Validate(v) == nil {
						t.Errorf("%s fits the schema of %s", name, other)
					}
				}
			}
		})
	}
}

// TestBrokenEventsDoNotFit breaks one thing at a time.
func TestBrokenEventsDoNotFit(t *testing.T) {
	b, _ := schema.JSONSchema(schema.KindConversationClosed)
	s := compileSchema(t, b, "")
	for _, c := range []struct {
		name string
		edit func(event, data map[string]any)
	}{
		{"no-id", func(e, _ map[string]any) { delete(e, "id") }},
		{"no-data", func(e, _ map[string]any) { delete(e, "data") }},
		{"no-raw", func(_, d map[string]any) { delete(d, "raw") }},
		{"no-receivedtime", func(e, _ map[string]any) { delete(e, "receivedtime") }},
		{"id-number", func(e, _ map[string]any) { e["id"] = 1 }},
		{"id-form", func(e, _ map[string]any) { e["id"] = "UPPER" }},
		{"specversion", func(e, _ map[string]any) { e["specversion"] = "0.3" }},
		{"type", func(e, _ map[string]any) { e["type"] = "ai.treble.message.read" }},
		{"dataschema", func(e, _ map[string]any) { e["dataschema"] = "urn:treble-bridge:conversation.closed:2" }},
		{"dedupekey", func(e, _ map[string]any) { e["dedupekey"] = "guess" }},
		{"source", func(e, _ map[string]any) { e["source"] = "/other/default" }},
		{"subject-empty", func(e, _ map[string]any) { e["subject"] = "" }},
		{"time-form", func(e, _ map[string]any) { e["time"] = "2026-01-02 03:04:05" }},
		{"time-of-data", func(_, d map[string]any) { d["closed_at"] = "yesterday" }},
		{"phone", func(_, d map[string]any) { d["phone"] = "3161234567" }},
		{"session-id-number", func(_, d map[string]any) { d["session_id"] = 7 }},
		{"session-key-number", func(_, d map[string]any) { d["session_keys"] = map[string]any{"age": 18} }},
		{"session-key-place", func(_, d map[string]any) {
			d["session_keys"] = map[string]any{"place": map[string]any{"latitude": 1}}
		}},
		{"messages-object", func(_, d map[string]any) { d["messages"] = map[string]any{} }},
		{"message-text", func(_, d map[string]any) { d["messages"] = []any{map[string]any{"text": true}} }},
		{"button", func(_, d map[string]any) {
			d["hsm"] = map[string]any{"buttons": map[string]any{"options": []any{"Open"}}}
		}},
		{"raw-text", func(_, d map[string]any) { d["raw"] = "{}" }},
		{"raw-base64", func(_, d map[string]any) { d["raw_base64"] = "%" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := readJSON(t, schematest.Envelope(schema.KindConversationClosed)).(map[string]any)
			c.edit(e, e["data"].(map[string]any))
			if s.Validate(e) == nil {
				t.Error("it fits the schema")
			}
		})
	}
	t.Run("added-fields-fit", func(t *testing.T) {
		e := readJSON(t, schematest.Envelope(schema.KindConversationClosed)).(map[string]any)
		data := e["data"].(map[string]any)
		e["traceparent"], data["new_field"], data["messages"].([]any)[0].(map[string]any)["new_field"] = "00-1", 1, "x"
		if err := s.Validate(e); err != nil {
			t.Errorf("version 1 may get new fields: %v", err)
		}
	})
}

// TestEventsHaveNoUnknownField: what is on the wire is in the schemas, to the
// last nested field. The schemas are closed for it, which they never are for a
// consumer.
func TestEventsHaveNoUnknownField(t *testing.T) {
	closed := func(document []byte) *jsonschema.Schema {
		doc := readJSON(t, document)
		closeObjects(doc)
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return compileSchema(t, b, "")
	}
	for _, k := range schema.Kinds() {
		b, _ := schema.JSONSchema(k)
		s := closed(b)
		for name, envelope := range envelopesOf(t, k) {
			if err := s.Validate(readJSON(t, envelope)); err != nil {
				t.Errorf("%s of %s: %v", name, k, err)
			}
		}
		e := readJSON(t, schematest.Envelope(k)).(map[string]any)
		if e["added"] = true; s.Validate(e) == nil {
			t.Errorf("%s: the schema is not closed, so nothing was tested", k)
		}
	}
}

// closeObjects forbids what is not listed, in every object that lists something.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			closeObjects(value)
		}
		if _, lists := v["properties"].(map[string]any); lists && v["type"] == "object" {
			v["additionalProperties"] = false
		}
	case []any:
		for _, value := range v {
			closeObjects(value)
		}
	}
}
