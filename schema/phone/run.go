package phone

import "iter"

// mostSeparators is how many of them may stand between two digits of a number.
const mostSeparators = 5

// run is digits of a text with nothing but separators between them.
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
			c, value, n := letterAt(text[i:])
			if ends := s.add(c, value, place{i, i + n}); ends && !s.flush(yield) {
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
	gap    int  // separators since the last digit or plus
	plus   bool // one of them is a plus
	joined bool // the letter before is a digit
}

// add takes the next letter. It reports whether the run before it has ended.
func (s *scanner) add(c class, value byte, at place) (ends bool) {
	switch c {
	case isDigit:
		if s.plus {
			s.pluses = append(s.pluses, len(s.digits))
		}
		s.digits, s.places, s.blocks = append(s.digits, value), append(s.places, at), append(s.blocks, !s.joined)
		s.gap, s.plus, s.joined = 0, false, true
		return false
	case ignored:
		s.joined = false
		return false
	case other:
		s.gap, s.plus, s.joined = 0, false, false
		return true
	}
	s.joined = false
	s.gap++
	if ends = s.gap > mostSeparators; ends {
		s.plus = false
	}
	if c == isPlus {
		s.plus = true
		if len(s.digits) == 0 {
			s.gap = 0
		}
	}
	return ends
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
