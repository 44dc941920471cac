package ratio_test

import (
	"math/rand/v2"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bench/ratio"
)

func TestOf(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []float64
		want   ratio.Spread
	}{
		{"none", nil, ratio.Spread{}},
		{"one", []float64{3}, ratio.Spread{3, 3, 3, 3, 3}},
		{"even", []float64{4, 1, 3, 2}, ratio.Spread{2.5, 1, 4, 1.75, 3.25}},
		{"odd", []float64{5, 1, 2, 4, 3}, ratio.Spread{3, 1, 5, 2, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ratio.Of(tc.values); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.123: "0.12", 9.876: "9.88", 12.34: "12.3", 1234.5: "1234", -0.5: "-0.50"} {
		if got := ratio.Digits(v); got != want {
			t.Errorf("Digits(%v): got %s, want %s", v, got, want)
		}
	}
}

func TestCompare(t *testing.T) {
	recorded := ratio.Of([]float64{0.50, 0.52, 0.48, 0.51, 0.49})
	for _, tc := range []struct {
		name string
		now  []float64
		more bool
		want ratio.Verdict
	}{
		{"the_same", []float64{0.50, 0.52, 0.48, 0.51, 0.49}, true, ratio.Same},
		{"inside_the_noise", []float64{0.47, 0.49, 0.45, 0.48, 0.46}, true, ratio.Same},
		{"less_where_more_is_better", []float64{0.40, 0.42, 0.38, 0.41, 0.39}, true, ratio.Worse},
		{"less_where_less_is_better", []float64{0.40, 0.42, 0.38, 0.41, 0.39}, false, ratio.Better},
		{"more_where_less_is_better", []float64{0.60, 0.62, 0.58, 0.61, 0.59}, false, ratio.Worse},
		{"less_and_noisy", []float64{0.40, 0.20, 0.60, 0.30, 0.50}, true, ratio.Same},
		{"less_but_for_one_round", []float64{0.40, 0.42, 0.38, 0.41, 9}, true, ratio.Worse},
		{"same_but_for_one_round", []float64{0.50, 0.52, 0.01, 0.51, 0.49}, true, ratio.Same},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ratio.Compare(recorded, ratio.Of(tc.now), tc.more); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestCompareSeldomErrs: of pairs of runs that measure the same thing with the
// same noise, next to none differs, and a slowdown of a third with 5 % of noise
// is seen.
func TestCompareSeldomErrs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	run := func(mean float64) ratio.Spread {
		var v []float64
		for range 9 {
			v = append(v, mean*(1+0.05*r.NormFloat64()))
		}
		return ratio.Of(v)
	}
	const pairs = 2000
	alarms, seen := 0, 0
	for range pairs {
		if ratio.Compare(run(1), run(1), true) != ratio.Same {
			alarms++
		}
		if ratio.Compare(run(1), run(2.0/3), true) == ratio.Worse {
			seen++
		}
	}
	if alarms > pairs/100 {
		t.Errorf("%d of %d equal pairs differ", alarms, pairs)
	}
	if seen < pairs*95/100 {
		t.Errorf("%d of %d slowdowns are seen", seen, pairs)
	}
}
