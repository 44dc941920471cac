package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// jsonSchema is as much of a JSON Schema as ours have.
type jsonSchema struct {
	Ref                  string                `json:"$ref"`
	Defs                 map[string]jsonSchema `json:"$defs"`
	Description          string                `json:"description"`
	Type                 string                `json:"type"`
	Const                any                   `json:"const"`
	Format               string                `json:"format"`
	ContentEncoding      string                `json:"contentEncoding"`
	Properties           map[string]jsonSchema `json:"properties"`
	Required             []string              `json:"required"`
	Items                *jsonSchema           `json:"items"`
	AdditionalProperties *jsonSchema           `json:"additionalProperties"`
	AnyOf                []jsonSchema          `json:"anyOf"`
}

// parseSchema fails for additionalProperties: false too, which is no object: a
// consumer that validates must take fields that are added.
func parseSchema(t *testing.T, b []byte) jsonSchema {
	t.Helper()
	var s jsonSchema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemasHaveEveryField holds the documents against the types by reflection,
// where the generator reads the source: every field is in the schema, and
// nothing else is.
func TestSchemasHaveEveryField(t *testing.T) {
	check := func(t *testing.T, document []byte, data any) {
		doc := parseSchema(t, document)
		c := typeCheck{t: t, defs: doc.Defs, seen: map[reflect.Type]bool{}}
		want := jsonFields(reflect.TypeFor[envelope]())
		want["data"] = jsonField{typ: reflect.TypeOf(data), required: true}
		c.object("envelope", doc, want)
		for name := range doc.Defs {
			if !c.named[name] {
				t.Errorf("$defs/%s is no type of any field", name)
			}
		}
	}
	for _, k := range Kinds() {
		t.Run(string(k), func(t *testing.T) {
			b, ok := JSONSchema(k)
			if !ok {
				t.Fatal("there is no schema")
			}
			check(t, b, newPayload(k))
			doc := parseSchema(t, b)
			if got := doc.Properties["type"].Const; got != k.Type() {
				t.Errorf("type: got %v, want %s", got, k.Type())
			}
			if got := doc.Properties["dataschema"].Const; got != k.DataSchema() {
				t.Errorf("dataschema: got %v, want %s", got, k.DataSchema())
			}
		})
	}
	t.Run("envelope", func(t *testing.T) { check(t, EnvelopeSchema(), &Common{}) })
}

// jsonField is a field as it is on the wire.
type jsonField struct {
	typ      reflect.Type
	required bool
}

// jsonFields returns the fields of a struct by their names on the wire.
func jsonFields(t reflect.Type) map[string]jsonField {
	fields := map[string]jsonField{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
		case f.Type == reflect.TypeFor[json.RawMessage](): // Encode splices it in
			fields["raw"] = jsonField{f.Type, true}
		default:
			fields[name] = jsonField{f.Type, options == ""}
		}
	}
	return fields
}

// typeCheck compares schemas to types.
type typeCheck struct {
	t     *testing.T
	defs  map[string]jsonSchema
	seen  map[reflect.Type]bool
	named map[string]bool // definitions that a field has
}

func (c *typeCheck) object(where string, s jsonSchema, want map[string]jsonField) {
	if got, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		c.t.Errorf("%s: got the properties %q, want the fields %q", where, got, want)
		return
	}
	var required []string
	for name, f := range want {
		if c.field(where+"."+name, s.Properties[name], f.typ); f.required {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
		c.t.Errorf("%s: got %q required, want %q", where, got, required)
	}
}

// field holds one schema against a Go type.
func (c *typeCheck) field(where string, s jsonSchema, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/$defs/")
		if name != typ.Name() {
			c.t.Errorf("%s: refers to %s, and is a %s", where, s.Ref, typ)
		}
		if c.named == nil {
			c.named = map[string]bool{}
		}
		c.named[name] = true
		s = c.defs[name]
	}
	if s.Description == "" && !strings.HasSuffix(where, "[]") {
		c.t.Errorf("%s has no description", where)
	}
	if got, want := s.shape(), wantShape(typ); got != want && !(isTime(where) && got == want+" date-time") {
		c.t.Errorf("%s: got the form %q, want %q of %s", where, got, want, typ)
		return
	}
	switch {
	case typ == reflect.TypeFor[SessionValue]():
		c.field(where+"[]", s.AnyOf[2], reflect.TypeFor[Location]())
	case s.Items != nil:
		c.field(where+"[]", *s.Items, typ.Elem())
	case s.AdditionalProperties != nil:
		c.field(where+"[]", *s.AdditionalProperties, typ.Elem())
	case s.Properties != nil && !c.seen[typ]:
		c.seen[typ] = true
		c.object(where, s, jsonFields(typ))
	}
}

// shape is the form of a schema in a few words.
func (s jsonSchema) shape() string {
	switch {
	case s.AnyOf != nil:
		return fmt.Sprintf("any of %d", len(s.AnyOf))
	case s.AdditionalProperties != nil:
		return "map"
	case s.Properties != nil:
		return "struct"
	}
	return strings.TrimSpace(s.Type + " " + s.Format + s.ContentEncoding)
}

// isTime: the envelope has its times as text.
func isTime(where string) bool { return where == "envelope.time" || where == "envelope.receivedtime" }

func wantShape(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "string date-time"
	case typ == reflect.TypeFor[json.RawMessage]():
		return "object"
	case typ == reflect.TypeFor[[]byte]():
		return "string base64"
	case typ == reflect.TypeFor[SessionValue]():
		return "any of 3"
	}
	return map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Float64: "number",
		reflect.Slice: "array", reflect.Map: "map", reflect.Struct: "struct",
	}[typ.Kind()]
}

func TestDocuments(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Documents() {
		if b := d.Content(); seen[d.Name] || !json.Valid(b) || d.ContentType == "" || d.Title == "" {
			t.Errorf("got %+v with %d bytes", d, len(b))
		}
		seen[d.Name] = true
	}
	if len(seen) != len(Kinds())+2 {
		t.Errorf("got %d documents", len(seen))
	}
	if !strings.Contains(string(AsyncAPI()), `"asyncapi": "3.0.0"`) || !strings.Contains(string(EnvelopeSchema()), "urn:treble-bridge:envelope:1") {
		t.Error("a document is under the name of another one")
	}
}

func TestNoSchemaOfAnUnknownKind(t *testing.T) {
	for _, k := range []Kind{"", "message.red", "envelope", "../asyncapi"} {
		if _, ok := JSONSchema(k); ok {
			t.Errorf("%q: got a schema", k)
		}
	}
}
