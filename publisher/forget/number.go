package forget

import (
	"bytes"
	"regexp"
	"strings"
)

// number is a telephone number and the ways in which it may be written.
type number struct {
	e164   string
	whole  []string // all digits; with 00 and, in Mexico, with the old 1 too
	splits []split
}

// split is a country code and what follows it, if these stand apart.
type split struct {
	code string
	rest []string
}

// fewestRest is the length from which the part behind the country code is looked
// for by itself.
const fewestRest = 7

var mexico = regexp.MustCompile(`^52([0-9]{10})$`)

func newNumber(e164 string) *number {
	digits := strings.TrimPrefix(e164, "+")
	n := &number{e164: e164, whole: []string{digits}}
	for i := 1; i <= 3 && len(digits)-i >= fewestRest; i++ {
		n.splits = append(n.splits, split{code: digits[:i], rest: []string{digits[i:]}})
	}
	if m := mexico.FindStringSubmatch(digits); m != nil {
		n.whole = append(n.whole, "521"+m[1])
		n.splits = append(n.splits, split{code: "52", rest: []string{"1" + m[1]}})
	}
	for _, w := range n.whole {
		n.whole = append(n.whole, "00"+w)
	}
	return n
}

// in reports whether the number stands in any of the texts. The phone is that of
// the event, or "": where the country code and the rest stand apart, the rest may
// be that of another number of another country.
func (n *number) in(texts [][]byte, phone func() string) bool {
	codes, rests := 0, 0 // bits of the splits that were seen
	for _, t := range texts {
		for r := range runs(t) {
			short, long := len(r.digits) < fewestRest, len(r.digits) >= fewestRest
			if long && r.holds(n.whole) {
				return true
			}
			for i, s := range n.splits {
				if short && r.isCode(s.code) {
					codes |= 1 << i
				}
				if long && r.holds(s.rest) {
					rests |= 1 << i
				}
			}
		}
	}
	if rests == 0 || codes&rests == 0 {
		return false
	}
	p := phone()
	if p == "" || p == n.e164 {
		return true
	}
	for i, s := range n.splits {
		if codes&rests&(1<<i) != 0 && !strings.HasSuffix(p, s.rest[0]) {
			return true
		}
	}
	return false
}

// run is digits with nothing but separators between them.
type run struct {
	digits []byte
	starts []int  // in digits, where a block without separators begins; the last is its length
	before []byte // what stands in the text directly before and after, up to two bytes
	after  []byte
}

// holds reports whether one of the numbers stands in the run: it begins and ends
// where a block does.
func (r run) holds(numbers []string) bool {
	for _, number := range numbers {
		for i, start := range r.starts {
			if !bytes.HasPrefix(r.digits[start:], []byte(number)) {
				continue
			}
			for _, end := range r.starts[i+1:] {
				if end == start+len(number) {
					return true
				}
			}
		}
	}
	return false
}

// isCode reports whether the run is a country code by itself, and no part of a
// time or of a decimal number.
func (r run) isCode(code string) bool {
	if string(r.digits) != code {
		// "+57 317 …" is one run, and is told by holds.
		return false
	}
	joined := func(near byte, far byte) bool {
		return strings.IndexByte(":,/T", near) >= 0 && far >= '0' && far <= '9'
	}
	if len(r.before) == 2 && joined(r.before[1], r.before[0]) || len(r.after) == 2 && joined(r.after[0], r.after[1]) {
		return false
	}
	return true
}

// mostSeparators is how many of them may stand between two digits.
const mostSeparators = 3

// runs yields the runs of a text. A run is valid until the next one.
func runs(text []byte) func(func(run) bool) {
	return func(yield func(run) bool) {
		var r run
		for i := 0; i < len(text); {
			if text[i] < '0' || text[i] > '9' {
				i++
				continue
			}
			begin, end := i, i // of the run; end is behind its last digit
			r.digits, r.starts = r.digits[:0], r.starts[:0]
			for i < len(text) {
				if c := text[i]; c >= '0' && c <= '9' {
					if i > end || i == begin {
						r.starts = append(r.starts, len(r.digits))
					}
					r.digits = append(r.digits, c)
					i++
					end = i
					continue
				}
				n := separator(text[i:])
				if n == 0 || i-end >= mostSeparators {
					break
				}
				i += n
			}
			r.starts = append(r.starts, len(r.digits))
			r.before = text[max(0, begin-2):begin]
			r.after = text[end:min(len(text), end+2)]
			if !yield(r) {
				return
			}
		}
	}
}

// separator returns the length of the separator that text begins with, or 0.
func separator(text []byte) int {
	switch text[0] {
	case ' ', '-', '.', '(', ')', '+':
		return 1
	case 0xc2:
		if len(text) > 1 && text[1] == 0xa0 {
			return 2 // a blank that does not break
		}
	}
	return 0
}
