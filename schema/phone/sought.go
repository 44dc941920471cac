package phone

import (
	"slices"
	"strings"
)

// Sought is a number that is looked for, and the ways in which it may be written.
type Sought struct {
	number string
	code   string
	ways   []string // of what follows the country code; see ways
	whole  []string // all digits; with the prefixes that may stand before and in them
	rest   []string // what follows the country code, with and without a prefix
}

// fewestRest is the length of the shortest that may follow a country code: fewer digits
// stand everywhere.
const fewestRest = 5

// Seek returns what to look for to find a number, which is in the form that Parse returns.
func Seek(number string) *Sought {
	digits := strings.TrimPrefix(number, "+")
	s := &Sought{number: number, code: countryOf(digits)}
	s.ways = ways(s.code, digits[len(s.code):])
	for _, way := range s.ways {
		for _, p := range append([]string{""}, trunkOf(s.code).prefixes...) {
			for _, a := range append([]string{""}, abroad...) {
				s.whole = append(s.whole, a+s.code+p+way)
			}
			s.rest = append(s.rest, p+way)
		}
	}
	return s
}

// Is reports whether a number, in the form that Parse returns, is the sought one, or reaches the
// same person.
func (s *Sought) Is(number string) bool {
	rest, ok := strings.CutPrefix(number, "+"+s.code)
	return number == s.number || ok && slices.Contains(s.ways, rest)
}

// Ending returns the last digits of the number that are the same in all ways to write it.
func (s *Sought) Ending() string {
	ending := s.ways[0]
	for _, way := range s.ways[1:] {
		for !strings.HasSuffix(way, ending) {
			ending = ending[1:]
		}
	}
	return ending
}

// Ends reports whether a number ends with what follows the country code in the one that
// is looked for.
func (s *Sought) Ends(number string) bool {
	return slices.ContainsFunc(s.ways, func(way string) bool { return strings.HasSuffix(number, way) })
}

// EndsAbroad reports whether a number of another country, in the form that Parse returns,
// has all digits of this one behind its country code.
func (s *Sought) EndsAbroad(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	country := countryOf(digits)
	return country != s.code && slices.Contains(s.whole, digits[len(country):])
}

// Seen is a set of the parts of a number that a text contains.
type Seen int

const (
	Whole Seen = 1 << iota // the number with its country code
	Code                   // the country code by itself
	Rest                   // what follows the country code, by itself
)

// Apart: the country code and the rest were seen, which may be fields of one object.
const Apart = Code | Rest

// In returns what of the number stands in a text, which is taken as it is: see Readings.
// A number begins and ends where a block of digits does: in 1573001234567 there is no
// 573001234567. Digits are the country code where something says that they are one, by a
// name (country_code: 57) or by a plus, or where the rest follows; there are too many of
// them in any text. What has a name counts for more: where another code has one, it is
// the code.
func (s *Sought) In(text []byte) Seen {
	seen, _ := s.in(text)
	return seen
}

// in counts its steps: the characters that are read and the digits that are compared.
func (s *Sought) in(text []byte) (seen Seen, steps int) {
	steps = len(text)
	codes := codes{code: s.code}
	for r := range runs(text) {
		commas := r.commas
		for i, begins := range r.blocks {
			if len(commas) > 0 && commas[0] == i {
				begins, commas = true, commas[1:]
			}
			if !begins || len(r.digits)-i < fewestRest {
				continue
			}
			at := func(n string) bool {
				steps += len(n)
				return i+len(n) <= len(r.digits) && string(r.digits[i:i+len(n)]) == n && r.spans(i, i+len(n))
			}
			if slices.ContainsFunc(s.whole, at) {
				return seen | Whole | codes.seen(), steps
			}
			if (seen&Rest == 0 || i == 0) && slices.ContainsFunc(s.rest, at) {
				seen |= Rest
				if i == 0 {
					codes.followed(r)
				}
			}
		}
		whole, n := s.before(r, &codes)
		if steps += n; whole {
			return seen | Whole | codes.seen(), steps
		}
		steps += codes.read(r)
	}
	seen |= codes.seen()
	for _, longer := range codes.longer {
		more, n := s.inBehind(longer, text)
		seen, steps = seen|more, steps+n
	}
	return seen, steps
}

// before looks for what of the number stands before a plus and a country code. With no
// more digits behind the code that is the whole number; otherwise they may be a number
// of their own to which the code belongs, and it says no more than one elsewhere.
func (s *Sought) before(r *run, codes *codes) (whole bool, steps int) {
	for n, plus := range r.pluses {
		if plus == 0 {
			continue
		}
		code, end := r.codeBehind(plus)
		steps += end - plus
		if !strings.HasPrefix(code, s.code) {
			continue
		}
		alone := end == len(r.digits) || n+1 < len(r.pluses) && r.pluses[n+1] == end
		for _, w := range s.whole {
			rest, ok := strings.CutPrefix(w, code)
			from := plus - len(rest)
			if !ok || len(rest) < fewestRest || from < 0 {
				continue
			}
			if steps += len(rest); string(r.digits[from:plus]) == rest && r.spans(from, plus) {
				if alone {
					return true, steps
				}
				codes.paired = true
			}
		}
		codes.loose = codes.loose || alone && code == s.code
	}
	return false, steps
}

// inBehind looks for what of the number follows a code that ends within it: 1809 and
// 5550123, 549 and 1123456789.
func (s *Sought) inBehind(longer string, text []byte) (seen Seen, steps int) {
	behind := &Sought{code: longer}
	for _, w := range s.whole {
		if rest, ok := strings.CutPrefix(w, longer); ok && len(rest) >= fewestRest {
			behind.rest = append(behind.rest, rest)
		}
	}
	if behind.rest == nil {
		return 0, 0
	}
	if seen, steps = behind.in(text); seen != Apart {
		return 0, steps
	}
	return Apart, steps
}

// codes looks for a country code in a text.
type codes struct {
	code         string
	named, other bool     // ours has a name, another one has
	longer       []string // have a name, and begin with ours
	loose        bool     // something else says of ours that it is one
	paired       bool     // one stands behind what of the number follows it
	end          int      // of the run before, if that is ours
}

// seen is Code, if it was, or Apart.
func (c *codes) seen() Seen {
	if c.paired && !c.other {
		return Apart
	}
	if c.named || c.loose && !c.other {
		return Code
	}
	return 0
}

// mostLonger bounds how often a text is read again.
const mostLonger = 4

// read reads a run, and returns how many characters it has read around it.
func (c *codes) read(r *run) (steps int) {
	c.end = 0
	if len(r.digits) > mostCode || len(r.commas) > 0 || partOfTime(r) {
		return 0
	}
	all := r.integer()
	digits := strings.TrimLeft(all, "0")
	if digits == "" || len(digits) > longestCode {
		return 0
	}
	named, steps := namesCode(r.before())
	switch {
	case named && digits == c.code:
		c.named = true
	case named && strings.HasPrefix(digits, c.code):
		if !slices.Contains(c.longer, digits) && len(c.longer) < mostLonger {
			c.longer = append(c.longer, digits)
		}
	case named:
		c.other = true
	case digits == c.code:
		c.loose = c.loose || strings.HasPrefix(all, abroad[0]) || len(r.pluses) > 0
		c.end = r.places[len(r.places)-1].to
	}
	return steps
}

// mostCode is that of the digits of a code with zeros around it that mean nothing.
const mostCode = 24

// followed is told of a run that begins with the rest: a code right before it needs no
// name.
func (c *codes) followed(r *run) {
	if from := r.places[0].from; c.end > 0 {
		c.loose = c.loose || !containsWord(r.text[c.end:from])
	}
}

// integer is the digits of a run without a fraction of zeros, as programs write it that
// take a code for a quantity: 57.0.
func (r *run) integer() string {
	digits := string(r.digits)
	last := len(digits) - 1
	for last > 0 && digits[last] == '0' && !r.blocks[last] {
		last--
	}
	if last > 0 && digits[last] == '0' && r.behindDot(last) {
		return digits[:last]
	}
	return digits
}

// partOfTime reports whether a run is part of a time or of a decimal number.
func partOfTime(r *run) bool {
	joined := func(near, far byte) bool {
		return strings.IndexByte(":,T", near) >= 0 && far >= '0' && far <= '9'
	}
	b, a := r.before(), r.after()
	return len(b) >= 2 && joined(b[len(b)-1], b[len(b)-2]) || len(a) >= 2 && joined(a[0], a[1])
}
