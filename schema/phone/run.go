package phone

import (
	"bytes"
	"iter"
	"slices"
	"strings"
)

// run is digits of a text with nothing but separators between them, however many: in
// tables, and where marks are taken off, a number stands far behind its country code.
type run struct {
	text   []byte
	digits []byte  // '0' to '9'
	places []place // of the digits, in the text
	blocks []bool  // by digit: a block of digits without anything between them begins here
	pluses []int   // digits that a plus stands before
	commas []int   // digits that a comma stands before which groups them by thousands; no block begins there
}

type place struct{ from, to int }

// runs yields the runs of a text. A run is valid until the next one.
func runs(text []byte) iter.Seq[*run] {
	return func(yield func(*run) bool) {
		s := scanner{run: run{text: text}}
		var g grouping
		for i := 0; i < len(text); {
			c, digits, n := characterAt(text[i:])
			// The first half spares the call for most characters, of which it learns nothing.
			if (c == isDigit || g.before > 0) && g.joins(text, i, c, digits) {
				s.comma = true
			} else if ends := s.add(c, digits, place{i, i + n}); ends && !s.flush(yield) {
				return
			}
			i += n
		}
		s.flush(yield)
	}
}

// scanner gathers a run.
type scanner struct {
	run
	plus   bool // one stands between the last digit and here
	joined bool // the character before is a digit
	comma  bool // the character before is a comma that groups digits
}

// add takes the next character. It reports whether the run before it has ended.
func (s *scanner) add(c class, digits string, at place) (ends bool) {
	switch c {
	case isDigit:
		if s.plus {
			s.pluses = append(s.pluses, len(s.digits))
		}
		if s.comma {
			s.commas = append(s.commas, len(s.digits))
		}
		for i := range len(digits) {
			s.digits, s.places, s.blocks = append(s.digits, digits[i]), append(s.places, at), append(s.blocks, !s.joined)
			s.joined = true
		}
		s.plus, s.comma = false, false
	case isPlus:
		s.plus, s.joined = true, false
	case separator, ignored:
		s.joined = false
	case other:
		s.plus, s.joined = false, false
		return true
	}
	return false
}

// flush yields the run, if there is one.
func (s *scanner) flush(yield func(*run) bool) bool {
	if len(s.digits) == 0 {
		return true
	}
	ok := yield(&s.run)
	s.digits, s.places, s.blocks = s.digits[:0], s.places[:0], s.blocks[:0]
	s.pluses, s.commas = s.pluses[:0], s.commas[:0]
	return ok
}

// grouping tells the commas that group digits by thousands, as in 3,001,234,567, from
// those of lists. It is asked about each character of a text in turn, and reads no character
// ahead more than once.
type grouping struct {
	before int // digits right before the character
	until  int // it is known up to here what the commas are
	groups bool
}

// thousands are the digits of a group, and the most before the first comma.
const thousands = 3

// joins reports whether a character is a comma that groups digits.
func (g *grouping) joins(text []byte, i int, c class, digits string) bool {
	if c == isDigit {
		g.before += len(digits)
		return false
	}
	before := g.before
	g.before = 0
	if text[i] != ',' || before == 0 {
		return false
	}
	if i >= g.until {
		g.scanGroups(text, i, before)
	}
	return g.groups && i < g.until
}

// scanGroups reads the blocks of digits behind the first comma of a chain. All must be groups:
// otherwise it is a list.
func (g *grouping) scanGroups(text []byte, i, before int) {
	g.groups = before <= thousands
	for g.until = i; i < len(text) && text[i] == ','; g.until = i {
		i++
		n := 0
		for i < len(text) {
			c, digits, size := characterAt(text[i:])
			if c != isDigit {
				break
			}
			n, i = n+len(digits), i+size
		}
		if n == 0 {
			return // the comma of a sentence, or of JSON
		}
		g.groups = g.groups && n == thousands
	}
}

// ungrouped returns a text without the commas that group its digits.
func ungrouped(text []byte) []byte {
	if bytes.IndexByte(text, ',') < 0 {
		return text
	}
	var g grouping
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		c, digits, n := characterAt(text[i:])
		if !g.joins(text, i, c, digits) {
			out = append(out, text[i:i+n]...)
		}
		i += n
	}
	return out
}

// ends reports whether a block ends before a digit.
func (r *run) ends(digit int) bool {
	return digit == len(r.digits) || digit < len(r.digits) && r.blocks[digit]
}

// spans reports whether a number may stand from one digit to another. It begins and ends
// where blocks do. Where commas group digits, they are one block; but somebody may have
// meant a list, and a number of it that has no comma itself begins or ends there.
func (r *run) spans(from, to int) bool {
	if to > len(r.digits) {
		return false
	}
	next, listed := slices.BinarySearch(r.commas, from) // listed: a comma is right before it
	if listed {
		next++
	}
	switch {
	case next == len(r.commas) || r.commas[next] > to:
		return (listed || r.blocks[from]) && r.ends(to)
	case r.commas[next] == to:
		return listed || r.blocks[from]
	}
	return r.blocks[from] && r.ends(to)
}

// plusBefore returns the digit that the plus before another one stands before, or 0.
func (r *run) plusBefore(plus int) int {
	if n, _ := slices.BinarySearch(r.pluses, plus); n > 0 {
		return r.pluses[n-1]
	}
	return 0
}

// codeBehind returns the digits behind a plus if they may be a country code, with which
// those of an area may stand, that somebody wrote behind the number: 3001234567 (+57). It
// says where they end.
func (r *run) codeBehind(plus int) (code string, end int) {
	const longest = longestCode + 3 // with what is dialled
	end = plus + 1
	for !r.ends(end) {
		if end++; end-plus > longest {
			return "", 0
		}
	}
	code = string(r.digits[plus:end])
	for _, p := range abroad {
		code = strings.TrimPrefix(code, p)
	}
	if len(code) > longestCode || !isCountry(countryOf(code)) {
		return "", 0
	}
	return code, end
}

// before and after are what stands around the run.
func (r *run) before() []byte { return r.text[:r.places[0].from] }
func (r *run) after() []byte  { return r.text[r.places[len(r.places)-1].to:] }
