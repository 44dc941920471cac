package quarantine

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// TestHeadersAreDocumented: a refused body has the headers that the
// AsyncAPI document names, and no other but those for the server.
func TestHeadersAreDocumented(t *testing.T) {
	all, required := natstest.DocumentedHeaders(t, "QuarantineHeaders")
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
