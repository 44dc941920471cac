package replay

import (
	"encoding/json"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// TestHeadersAreDocumented: a replayed event has the headers that the AsyncAPI
// document names, and no other.
func TestHeadersAreDocumented(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				ReplayHeaders struct {
					Properties map[string]any
					Required   []string
				}
			}
		}
	}
	if err := json.Unmarshal(schema.AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	want := doc.Components.Schemas.ReplayHeaders
	e := schematest.Event(schema.KindHSMStatusChanged, schematest.TestRun("run"))
	got := header("r1", event{Message: client.Message{Header: e.Header(), Sequence: 7}})
	for name := range got {
		if want.Properties[name] == nil {
			t.Errorf("%s is not in the document", name)
		}
	}
	for name := range want.Properties {
		if got[name] == nil {
			t.Errorf("%s is in the document, and the message does not have it", name)
		}
	}
	bare := header("r1", event{Message: client.Message{Header: schematest.Event(schema.KindMessageRead).Header(), Sequence: 7}})
	if len(bare) != len(want.Required) {
		t.Errorf("got the headers %v, want %q", bare, want.Required)
	}
	for _, name := range want.Required {
		if bare[name] == nil {
			t.Errorf("%s is required, and the message does not have it", name)
		}
	}
}
