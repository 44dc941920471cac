package schema_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
)

// TestStreamName: the names are those that consumers and operators have configured.
func TestStreamName(t *testing.T) {
	const n schema.StreamName = "TREBLE"
	for got, want := range map[string]string{n.Quarantine(): "TREBLE_QUARANTINE", n.Replay(): "TREBLE_REPLAY", n.Audit(): "TREBLE_AUDIT"} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
