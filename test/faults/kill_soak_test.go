//go:build soak

package faults

import "testing"

// TestSoakKillBridge is TestKillBridge with 500 counted kills: 20 rounds of 25,
// each on a data directory of its own.
func TestSoakKillBridge(t *testing.T) {
	total := &killTotals{}
	for range 10 {
		t.Run("embedded", func(t *testing.T) { killRound(t, total, killEmbedded, 25) })
		t.Run("external", func(t *testing.T) { killRound(t, total, killExternal, 25) })
	}
	t.Log(total)
	if total.counted < 500 && !t.Failed() {
		t.Errorf("got %d counted kills, want 500", total.counted)
	}
}
