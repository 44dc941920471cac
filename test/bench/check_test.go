package main

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

func TestCompareRows(t *testing.T) {
	spread := func(v float64) ratio.Spread { return ratio.Of([]float64{v * 0.99, v, v * 1.01}) }
	rowWith := func(name string, rate, cpu, others float64) row {
		return row{
			Contestant: name, Connections: 16, Others: ratio.Of([]float64{others}),
			Ratios: map[string]ratio.Spread{"rate": spread(rate), "cpu": spread(cpu), "p50": spread(rate)},
		}
	}
	recorded := []row{rowWith("naive", 0.5, 2, 0), rowWith("journal", 0.3, 4, 0)}
	for _, tc := range []struct {
		name  string
		now   row
		found int
		worse []string
	}{
		{"same", rowWith("journal", 0.3, 4, 0), 2, nil},
		{"less_throughput", rowWith("journal", 0.2, 4, 0), 2, []string{"rate"}},
		{"more_cpu", rowWith("journal", 0.3, 6, 0), 2, []string{"cpu"}},
		{"better", rowWith("journal", 0.4, 3, 0), 2, nil},
		{"disturbed", rowWith("journal", 0.1, 6, 0.5), 1, []string{"cpu"}},
		{"disturbed_a_little", rowWith("journal", 0.1, 4, 0.1), 2, []string{"rate"}},
		{"not_ours", rowWith("naive", 0.1, 9, 0), 0, nil},
		{"not_recorded", rowWith("stream", 0.1, 9, 0), 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := compare(recorded, []row{tc.now})
			if len(found) != tc.found {
				t.Errorf("got %d findings, want %d", len(found), tc.found)
			}
			worse := worseOf(found)
			if len(worse) != len(tc.worse) {
				t.Fatalf("got %d worse, want %v", len(worse), tc.worse)
			}
			for i, key := range tc.worse {
				if worse[i].measure.key != key {
					t.Errorf("got %s, want %s", worse[i].measure.key, key)
				}
			}
		})
	}
}
