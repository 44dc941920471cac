package client_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

func TestTooOld(t *testing.T) {
	for version, old := range map[string]bool{
		"2.9.10": true, "2.9.25": true, "1.4.1": true, "2.10.0": false, "2.10.0-RC.1": false, "2.12.3": false, "3.0.0": false, "": false,
	} {
		if got := client.TooOld(version) != ""; got != old {
			t.Errorf("%q: too old %v, want %v", version, got, old)
		}
	}
}
