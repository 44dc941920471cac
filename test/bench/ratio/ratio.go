// Package ratio compares measurements that were made side by side: a ratio for
// each round, their spread over the rounds, and whether two spreads differ by
// more than they spread.
package ratio

import (
	"fmt"
	"math"
	"slices"
)

// Spread is the middle and the ends of one number over the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Of returns the spread of some values; of none it is all NaN.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	median := sorted[n/2]
	if n%2 == 0 {
		median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return Spread{median, sorted[0], sorted[n-1]}
}

// String is the median with the ends, such as "0.52 (0.48–0.55)".
func (s Spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", Digits(s.Median), Digits(s.Min), Digits(s.Max))
}

// Digits writes a number with three digits that count, or as a whole.
func Digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Range is from the least to the most.
func (s Spread) Range() float64 { return s.Max - s.Min }

// Quantile returns a quantile, such as 0.99, of values in any order.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
