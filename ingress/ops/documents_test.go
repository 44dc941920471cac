package ops_test

import (
	"encoding/json"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
)

func TestOpsServesDocuments(t *testing.T) {
	url := startOps(t, false, isReady)
	document := func(path, contentType string) string {
		t.Helper()
		a := get(t, url+path)
		if got := a.header.Get("Content-Type"); a.status != 200 || got != contentType {
			t.Errorf("%s: got %d, %q; want 200, %q", path, a.status, got, contentType)
		}
		return a.body
	}
	var index struct {
		Documents []struct {
			Name, Path, Title string
			ContentType       string `json:"content_type"`
		}
	}
	if err := json.Unmarshal([]byte(document("/schemas", "application/json")), &index); err != nil {
		t.Fatal(err)
	}
	if got, want := len(index.Documents), len(schema.Documents()); got != want {
		t.Errorf("got %d documents in the list, want %d", got, want)
	}
	for i, d := range index.Documents {
		if want := schema.Documents()[i]; d.Name != want.Name || document(d.Path, want.ContentType) != string(want.Content()) {
			t.Errorf("%s at %s is not the document %s", d.Name, d.Path, want.Name)
		}
	}
	// Others find them without the list.
	document("/schemas/message.read.json", "application/schema+json")
	document("/schemas/envelope.json", "application/schema+json")
	document("/asyncapi.json", "application/vnd.aai.asyncapi+json;version=3.0.0")
	for _, path := range []string{"/schemas/message.red.json", "/schemas/", "/schemas/../jsonschema/envelope.json"} {
		if got := get(t, url+path).status; got != 404 {
			t.Errorf("%s: got %d, want 404", path, got)
		}
	}
}
