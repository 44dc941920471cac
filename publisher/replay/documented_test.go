package replay

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/schematest"
)

// TestHeadersAreDocumented: a replayed event has the headers that the AsyncAPI
// document names, and no other.
func TestHeadersAreDocumented(t *testing.T) {
	all, required := natstest.DocumentedHeaders(t, "ReplayHeaders")
	e := schematest.Event(schema.KindHSMStatusChanged, schematest.TestRun("run"))
	got := header("r1", event{Message: client.Message{Header: e.Header(), Sequence: 7}})
	for name := range got {
		if all[name] == nil {
			t.Errorf("%s is not in the document", name)
		}
	}
	for name := range all {
		if got[name] == nil {
			t.Errorf("%s is in the document, and the message does not have it", name)
		}
	}
	bare := header("r1", event{Message: client.Message{Header: schematest.Event(schema.KindMessageRead).Header(), Sequence: 7}})
	if len(bare) != len(required) {
		t.Errorf("got the headers %v, want %q", bare, required)
	}
	for _, name := range required {
		if bare[name] == nil {
			t.Errorf("%s is required, and the message does not have it", name)
		}
	}
}
