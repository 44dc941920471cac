package phone

import "iter"

// run is digits of a text with nothing but separators between them, however many: in
// tables, and where marks are taken off, a number stands far behind its country code.
type run struct {
	text   []byte
	digits []byte  // '0' to '9'
	places []place // of the digits, in the text
	blocks []bool  // by digit: a block of digits without anything between them begins here
	pluses []int   // digits that a plus stands before
}

type place struct{ from, to int }

// runs yields the runs of a text. A run is valid until the next one.
func runs(text []byte) iter.Seq[*run] {
	return func(yield func(*run) bool) {
		s := scanner{run: run{text: text}}
		for i := 0; i < len(text); {
			c, digits, n := letterAt(text[i:])
			if ends := s.add(c, digits, place{i, i + n}); ends && !s.flush(yield) {
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
	joined bool // the letter before is a digit
}

// add takes the next letter. It reports whether the run before it has ended.
func (s *scanner) add(c class, digits string, at place) (ends bool) {
	switch c {
	case isDigit:
		if s.plus {
			s.pluses = append(s.pluses, len(s.digits))
		}
		for i := range len(digits) {
			s.digits, s.places, s.blocks = append(s.digits, digits[i]), append(s.places, at), append(s.blocks, !s.joined)
			s.joined = true
		}
		s.plus = false
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
	s.digits, s.places, s.blocks, s.pluses = s.digits[:0], s.places[:0], s.blocks[:0], s.pluses[:0]
	return ok
}

// ends reports whether a block ends before a digit.
func (r *run) ends(digit int) bool {
	return digit == len(r.digits) || digit < len(r.digits) && r.blocks[digit]
}

// before and after are what stands around the run.
func (r *run) before() []byte { return r.text[:r.places[0].from] }
func (r *run) after() []byte  { return r.text[r.places[len(r.places)-1].to:] }
