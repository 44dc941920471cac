// Package ratio compares measurements that were made side by side: a ratio for
// each round, their spread over the rounds, and whether two spreads differ by
// more than they spread.
package ratio

import (
	"fmt"
	"math"
	"slices"
)

// Spread is the middle and the ends of one number over the rounds, and between
// them where its middle half lies: one round that was disturbed moves an end, but
// not these.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Low    float64 `json:"low"`  // a quarter of the rounds was below it
	High   float64 `json:"high"` // a quarter was above it
}

// Of returns the spread of some values; of none it is all zero.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{Median: between(v, 0.5), Min: v[0], Max: v[len(v)-1], Low: between(v, 0.25), High: between(v, 0.75)}
}

// between is a quantile of sorted values, in a straight line from one to the next.
func between(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
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

// Quantile returns a quantile, such as 0.99, of values in any order.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return between(slices.Sorted(slices.Values(values)), q)
}
