package outbox

import (
	"testing"
	"time"
)

// simBudget bounds all simulation tests together.
const simBudget = time.Minute

// TestSimulation runs random schedules for a while.
func TestSimulation(t *testing.T) {
	budget := simBudget / 3
	if testing.Short() {
		budget = time.Second
	}
	n := uint64(0)
	for end := time.Now().Add(budget); time.Now().Before(end); n++ {
		if v := simulateSeed(n, simOptions{}); v != nil {
			t.Fatal(v)
		}
	}
	t.Logf("%d schedules", n)
}

// TestSimulationRepeats: a seed repeats a run exactly.
func TestSimulationRepeats(t *testing.T) {
	for seed := range uint64(20) {
		var traces [2]string
		for i := range traces {
			w := newWorld(simOptions{})
			for _, a := range randomSchedule(seed, simLength) {
				w.perform(a)
			}
			w.mend()
			traces[i] = w.trace.String()
		}
		if traces[0] != traces[1] {
			t.Fatalf("seed %d: two runs differ:\n%s\n\n%s", seed, traces[0], traces[1])
		}
	}
}
