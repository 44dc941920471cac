package ratio

import "math"

// Verdict is the result of a comparison of two measurements.
type Verdict int

const (
	Same   Verdict = iota // as far as the noise lets us see
	Better                // by more than the noise
	Worse                 // by more than the noise
)

func (v Verdict) String() string { return [...]string{"same", "better", "worse"}[v] }

// Compare holds what is measured now against what was recorded. The noise is
// what both have measured themselves: the widths of the middle halves of their
// rounds, together. Two runs of the same program lie further apart than that so
// seldom that a second look settles it. With moreIsBetter a larger number is the
// better one.
func Compare(recorded, now Spread, moreIsBetter bool) Verdict {
	noise := (recorded.High - recorded.Low) + (now.High - now.Low)
	switch d := now.Median - recorded.Median; {
	case math.Abs(d) <= noise:
		return Same
	case d > 0 == moreIsBetter:
		return Better
	}
	return Worse
}
