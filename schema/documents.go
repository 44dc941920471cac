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

// Document is an embedded document.
type Document struct {
	Name        string // a kind, or one of the two names below
	ContentType string
	Title       string // what it is, for people
	file        string
}

// The names of the documents that are not of one kind.
const (
	DocumentEnvelope = "envelope"
	DocumentAsyncAPI = "asyncapi"
)

// Documents returns all of them: those of the kinds in the order of [Kinds],
// then the envelope and the AsyncAPI document.
func Documents() []Document {
	var all []Document
	for _, k := range kinds {
		all = append(all, Document{string(k), ContentTypeJSONSchema, "JSON Schema of the events on " + DefaultPrefix.Subject(k), "jsonschema/" + string(k) + ".json"})
	}
	return append(all,
		Document{DocumentEnvelope, ContentTypeJSONSchema, "JSON Schema of what the events of all kinds have in common", "jsonschema/envelope.json"},
		Document{DocumentAsyncAPI, ContentTypeAsyncAPI, "AsyncAPI 3.0: all subjects with their messages and headers", "asyncapi.json"})
}

// Content returns the document itself. The caller may change what it gets.
func (d Document) Content() []byte {
	b, err := documents.ReadFile(d.file)
	if err != nil {
		panic(err) // a kind without a schema: a test of this package fails first
	}
	return b
}

// JSONSchema returns the JSON Schema (draft 2020-12) of an event of a kind, the
// whole envelope with its data. The bool is false if this version does not know
// the kind; [EnvelopeSchema] then says what holds for every kind.
func JSONSchema(k Kind) ([]byte, bool) {
	if !slices.Contains(kinds, k) {
		return nil, false
	}
	return content(string(k)), true
}

// EnvelopeSchema returns the JSON Schema (draft 2020-12) that an event of any
// kind fits, also of one that a later version adds.
func EnvelopeSchema() []byte { return content(DocumentEnvelope) }

// AsyncAPI returns the AsyncAPI 3.0 document, in JSON: every subject with its
// messages, their headers and their payloads.
func AsyncAPI() []byte { return content(DocumentAsyncAPI) }

func content(name string) []byte {
	all := Documents()
	return all[slices.IndexFunc(all, func(d Document) bool { return d.Name == name })].Content()
}
