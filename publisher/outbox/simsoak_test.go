//go:build soak

package outbox

import (
	"os"
	"testing"
	"time"
)

// TestSoakSimulation runs schedules that no other run has seen, for an hour, or for the
// time in SIMTIME.
func TestSoakSimulation(t *testing.T) {
	d := time.Hour
	if s := os.Getenv("SIMTIME"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	simulateFor(t, d, uint64(time.Now().Unix())<<20)
}
