package quarantine

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// documentedHeaders returns the headers of a set in the AsyncAPI document.
func documentedHeaders(t *testing.T, set string) (all map[string]any, required []string) {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(schema.AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.Components.Schemas[set]
	if len(s.Properties) == 0 {
		t.Fatalf("the document has no %s", set)
	}
	return s.Properties, s.Required
}

// TestHeadersAreDocumented: a refused body has the headers that the
// AsyncAPI document names, and no other but those for the server.
func TestHeadersAreDocumented(t *testing.T) {
	all, required := documentedHeaders(t, "QuarantineHeaders")
	d := natstest.Rejected("{")
	d.Origin = delivery.Origin{
		Source: "default", Path: "/webhook", Header: http.Header{"User-Agent": {"x"}}, Received: time.Now(), TestRun: "run",
	}
	m := encode("treble", d)
	for name := range m.Header.Map() {
		if all[name] == nil && !strings.HasPrefix(name, "Nats-") {
			t.Errorf("%s is not in the document", name)
		}
	}
	for name := range all {
		if m.Header.Get(name) == "" {
			t.Errorf("%s is in the document, and the message does not have it", name)
		}
	}
	bare := encode("treble", delivery.Delivery{Rejection: d.Rejection})
	for name := range all {
		if got, want := bare.Header.Get(name) != "", slices.Contains(required, name); got != want {
			t.Errorf("%s: of a bare delivery it is there: %v; required: %v", name, got, want)
		}
	}
}
