package schema

import (
	"embed"
	"slices"
)

// The documents are made from the types of this package. A program that does
// not call the functions below does not carry them.
//
//go:generate go run ./internal/generate
//go:embed jsonschema/*.json asyncapi.json
var documents embed.FS

// The content types of the documents.
const (
	ContentTypeJSONSchema = "application/schema+json"
	ContentTypeAsyncAPI   = "application/vnd.aai.asyncapi+json;version=3.0.0"
)

// JSONSchema returns the JSON Schema (draft 2020-12) of an event of a kind, the
// whole envelope with its data. The bool is false if this version does not know
// the kind; [EnvelopeSchema] then says what holds for every kind.
func JSONSchema(k Kind) ([]byte, bool) {
	if !slices.Contains(kinds, k) {
		return nil, false
	}
	return document("jsonschema/" + string(k) + ".json"), true
}

// EnvelopeSchema returns the JSON Schema (draft 2020-12) that an event of any
// kind fits, also of one that a later version adds.
func EnvelopeSchema() []byte { return document("jsonschema/envelope.json") }

// AsyncAPI returns the AsyncAPI 3.0 document, in JSON: every subject with its
// messages, their headers and their payloads.
func AsyncAPI() []byte { return document("asyncapi.json") }

// document returns an embedded file. The caller may change what it gets.
func document(name string) []byte {
	b, err := documents.ReadFile(name)
	if err != nil {
		panic(err) // a kind without a schema: a test of this package fails first
	}
	return b
}
