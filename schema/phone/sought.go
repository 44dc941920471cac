package phone

import (
	"slices"
	"strings"
)

// Sought is a number that is looked for, and the ways in which it may be written.
type Sought struct {
	number string
	code   string
	whole  []string // all digits; with the prefixes that may stand before and in them
	rest   []string // what follows the country code, with and without a prefix
}

// fewestRest is the length from which what follows the country code is looked for by
// itself.
const fewestRest = 5

// Seek returns what to look for to find a number, which is in the form that Parse returns.
func Seek(number string) *Sought {
	digits := strings.TrimPrefix(number, "+")
	s := &Sought{number: number, code: countryOf(digits)}
	rest := digits[len(s.code):]
	for _, p := range append([]string{""}, trunkOf(s.code).prefixes...) {
		for _, a := range append([]string{""}, abroad...) {
			s.whole = append(s.whole, a+s.code+p+rest)
		}
		if len(rest) >= fewestRest {
			s.rest = append(s.rest, p+rest)
		}
	}
	return s
}

// Number is the number that is looked for.
func (s *Sought) Number() string { return s.number }

// Rest is what follows the country code in it.
func (s *Sought) Rest() string { return s.number[1+len(s.code):] }

// EndsAbroad reports whether a number of another country, in the form that Parse returns,
// has all digits of this one behind its country code.
func (s *Sought) EndsAbroad(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	country := countryOf(digits)
	return country != s.code && slices.Contains(s.whole, digits[len(country):])
}

// Seen is what of a number stands in a text; more than one of the constants together.
type Seen int

const (
	Whole Seen = 1 << iota // the number with its country code
	Code                   // the country code by itself
	Rest                   // what follows the country code, by itself; see Sought.Rest
)

// Apart: the country code and the rest were seen, which may be fields of one object.
const Apart = Code | Rest

// In returns what of the number stands in a text, which is taken as it is: see Readings.
// A number begins and ends where a block of digits does: in 1573001234567 there is no
// 573001234567.
func (s *Sought) In(text []byte) Seen {
	seen, _ := s.in(text)
	return seen
}

// in counts its steps: the letters that are read and the digits that are compared.
func (s *Sought) in(text []byte) (seen Seen, steps int) {
	steps = len(text)
	for r := range runs(text) {
		if d := string(r.digits); (d == s.code || d == "00"+s.code) && !partOfTime(r) {
			seen |= Code
		}
		for i, begins := range r.blocks {
			if !begins || len(r.digits)-i < fewestRest {
				continue
			}
			at := func(n string) bool {
				steps += len(n)
				return r.ends(i+len(n)) && string(r.digits[i:i+len(n)]) == n
			}
			if slices.ContainsFunc(s.whole, at) {
				seen |= Whole
			}
			if seen&Rest == 0 && slices.ContainsFunc(s.rest, at) {
				seen |= Rest
			}
		}
		if seen&Whole != 0 {
			return seen, steps
		}
	}
	return seen, steps
}

// partOfTime reports whether a run is part of a time or of a decimal number.
func partOfTime(r *run) bool {
	joined := func(near, far byte) bool {
		return strings.IndexByte(":,T", near) >= 0 && far >= '0' && far <= '9'
	}
	b, a := r.before(), r.after()
	return len(b) >= 2 && joined(b[len(b)-1], b[len(b)-2]) || len(a) >= 2 && joined(a[0], a[1])
}
