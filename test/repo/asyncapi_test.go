package repo

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// asyncPayload compiles the payload of a kind in the AsyncAPI document, by the
// draft that AsyncAPI builds upon.
func asyncPayload(t *testing.T, k schema.Kind) *jsonschema.Schema {
	t.Helper()
	doc := readJSON(t, schema.AsyncAPI()).(map[string]any)
	ref := at(t, doc, "components", "messages", string(k), "payload", "$ref").(string)
	return asyncSchema(t, strings.TrimPrefix(ref, "#/components/schemas/"))
}

// asyncSchema compiles a schema of the AsyncAPI document.
func asyncSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc := readJSON(t, schema.AsyncAPI()).(map[string]any)
	b, err := json.Marshal(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "components": map[string]any{"schemas": at(t, doc, "components", "schemas")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return compileSchema(t, b, "#/components/schemas/"+name)
}

// at follows keys down a document.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		o, _ := v.(map[string]any)
		next, ok := o[key]
		if !ok {
			t.Fatalf("there is no %s of %q in the document", key, keys)
		}
		v = next
	}
	return v
}

// TestAsyncAPI holds the document against the JSON Schema of AsyncAPI 3.0, and
// its references and channels against what there is.
func TestAsyncAPI(t *testing.T) {
	meta, err := os.ReadFile(bridge.Testdata + "/asyncapi-3.0.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := compileSchema(t, meta, "")
	doc := readJSON(t, schema.AsyncAPI()).(map[string]any)
	if err := s.Validate(doc); err != nil {
		t.Errorf("not AsyncAPI 3.0: %v", err)
	}
	t.Run("references", func(t *testing.T) {
		eachRef(doc, func(ref string) {
			path, ok := strings.CutPrefix(ref, "#/")
			if !ok {
				t.Errorf("%s is outside the document", ref)
				return
			}
			at(t, doc, strings.Split(path, "/")...)
		})
	})
	t.Run("channels", func(t *testing.T) {
		want := []string{"{prefix}-quarantine.{reason}", "{prefix}-replay.{run}.{kind}"}
		for _, k := range schema.Kinds() {
			want = append(want, "{prefix}."+string(k))
		}
		var got []string
		for _, c := range at(t, doc, "channels").(map[string]any) {
			got = append(got, at(t, c, "address").(string))
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("got the addresses %q, want %q", got, want)
		}
	})
	t.Run("broken", func(t *testing.T) {
		broken := maps.Clone(doc)
		broken["channels"] = map[string]any{"x": map[string]any{"adress": "x"}}
		if s.Validate(broken) == nil {
			t.Error("a channel without an address that has an adress is taken")
		}
	})
}

// eachRef calls f with every reference below v.
func eachRef(v any, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if ref, ok := value.(string); ok && key == "$ref" {
				f(ref)
			}
			eachRef(value, f)
		}
	case []any:
		for _, value := range v {
			eachRef(value, f)
		}
	}
}

// TestHeadersFitAsyncAPI: what Event.Header makes fits what is documented.
func TestHeadersFitAsyncAPI(t *testing.T) {
	s := asyncSchema(t, "EventHeaders")
	for _, k := range schema.Kinds() {
		flat := map[string]any{}
		for name, values := range schematest.Event(k, schematest.TestRun("run")).Header() {
			flat[name] = values[0]
		}
		if err := s.Validate(flat); err != nil {
			t.Errorf("%s: %v", k, err)
		}
		delete(flat, schema.HeaderKind)
		if s.Validate(flat) == nil {
			t.Errorf("%s: headers without %s fit", k, schema.HeaderKind)
		}
	}
}
