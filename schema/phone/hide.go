package phone

import "strings"

// fewestKnown is the length from which the digits of a number that a Set knows are
// hidden wherever they stand: fewer would hide times and ids everywhere. mostKnown is
// that up to which they are kept.
const (
	fewestKnown = 5
	mostKnown   = 20
)

// shown is the number of digits that stay visible, so that two people can still be told apart.
const shown = 2

// Set is a set of numbers to hide. The zero value knows none.
type Set struct {
	known  map[string]struct{}
	begins map[string]uint32 // by the first digits of the known ones: their lengths, as bits
}

// Add adds a number as somebody wrote it, with or without its country code. A text may
// hold several.
func (s *Set) Add(text string) {
	for r := range runs(deepest([]byte(text))) {
		s.add(string(r.digits))
		from := 0
		for i := range r.digits {
			// Two numbers with a blank between them are one run.
			if r.ends(i + 1) {
				if i+1-from >= fewest {
					s.add(string(r.digits[from : i+1]))
				}
				from = i + 1
			}
		}
		s.addParts(r)
	}
}

// addParts adds what commas and pluses may part in a run: numbers of a list, and one with
// its country code behind it.
func (s *Set) addParts(r *run) {
	for _, marks := range [][]int{r.commas, r.pluses} {
		from := 0
		for _, to := range marks {
			if to-from >= fewestKnown {
				s.add(string(r.digits[from:to]))
			}
			from = to
		}
		if from > 0 && len(r.digits)-from >= fewestKnown {
			s.add(string(r.digits[from:]))
		}
	}
	for _, plus := range r.pluses {
		if code, _ := r.codeBehind(plus); code != "" {
			// Pluses before it may be blanks of a URL.
			for _, from := range []int{0, r.plusBefore(plus)} {
				if n := plus - from; n >= fewestKnown && n <= mostKnown {
					s.add(string(r.digits[from:plus]))
					s.add(code + string(r.digits[from:plus]))
				}
			}
		}
	}
}

// add adds digits, and what of them may stand elsewhere by itself: what follows the
// country code, in all its ways, and the prefixes that are dialled.
func (s *Set) add(digits string) {
	s.know(digits)
	digits = strings.TrimLeft(digits, "0")
	s.know(digits)
	if number, ok := e164(digits); ok {
		country := countryOf(number[1:])
		for _, way := range ways(country, number[1+len(country):]) {
			s.know(way)
		}
	}
	for _, t := range trunks {
		for _, p := range t.prefixes {
			if rest, ok := strings.CutPrefix(digits, p); ok && len(t.lengths) > 0 && t.fits(rest) {
				s.know(rest)
			}
		}
	}
	// Without its country code, which nobody tells here.
	for _, country := range severalWays {
		if n := withoutHome(country, digits); n != digits || len(ways(country, n)) > 1 {
			for _, way := range ways(country, n) {
				s.know(way)
			}
		}
	}
}

func (s *Set) know(digits string) {
	if len(digits) < fewestKnown || len(digits) > mostKnown {
		return
	}
	if s.known == nil {
		s.known, s.begins = map[string]struct{}{}, map[string]uint32{}
	}
	s.known[digits] = struct{}{}
	s.begins[digits[:fewestKnown]] |= 1 << len(digits)
}

// Hide hides the digits of numbers in a text, each as a *, but for the last two of each:
// those that the set knows, as part of longer digits too, and those that say themselves
// that they are one, with +, with 00, or as a link (tel:, wa.me). Every other byte stays.
func (s *Set) Hide(text string) string {
	out, _ := s.hide(text, false)
	return out
}

// HideLong hides what Hide does, and every number that is long enough to be a telephone
// number.
func (s *Set) HideLong(text string) string {
	out, _ := s.hide(text, true)
	return out
}

// hide counts its steps: the characters that are read and the numbers that are looked up.
func (s *Set) hide(text string, long bool) (out string, steps int) {
	v := veil{text: text}
	for l := range layersOf([]byte(text), true) {
		steps += len(l.text)
		for r := range runs(l.text) {
			if n := len(r.places); long && n >= fewest {
				v.hideAll(l, r.places[:n-shown])
				continue
			}
			until := 0 // the digits before it are hidden
			marks := marks{run: r, pluses: r.pluses, codes: r.pluses, commas: r.commas}
			for i := range r.digits {
				n := s.longestAt(r.digits[i:], &steps)
				n = max(n, marks.at(i))
				until = max(until, i+n-shown)
				if i < until {
					v.hide(l, r.places[i])
				}
			}
		}
	}
	return v.String(), steps
}

// longestAt returns the length of the longest known number that digits begin with, or 0.
func (s *Set) longestAt(digits []byte, steps *int) int {
	if len(s.known) == 0 || len(digits) < fewestKnown {
		return 0
	}
	*steps++
	lengths := s.begins[string(digits[:fewestKnown])]
	for n := min(mostKnown, len(digits)); n >= fewestKnown && lengths != 0; n-- {
		if lengths&(1<<n) == 0 {
			continue
		}
		*steps++
		if _, ok := s.known[string(digits[:n])]; ok {
			return n
		}
	}
	return 0
}

// marks finds the places in a run where a number may begin or end. It is asked about each
// digit in turn.
type marks struct {
	*run
	pluses, codes, commas []int // what is left of them
}

// at returns the length of the number that begins with a digit, if something says that
// one does, or 0.
func (m *marks) at(i int) int {
	if !m.blocks[i] && len(m.commas) == 0 {
		return 0 // most digits
	}
	begins, end := m.blocks[i], len(m.digits)
	if len(m.commas) > 0 && m.commas[0] == i {
		begins, m.commas = true, m.commas[1:]
		if len(m.commas) > 0 {
			end = m.commas[0] // of what is a list then
		}
	}
	if !begins {
		return 0
	}
	return max(m.before(i, end), m.behind(i))
}

// before returns the length of a number that has a mark in front of it and ends before a digit, or
// 0.
func (m *marks) before(i, end int) int {
	zeros := 0
	switch {
	case len(m.pluses) > 0 && m.pluses[0] == i:
		m.pluses = m.pluses[1:]
	case i == 0 && isLinked(m.run.before()):
	case len(m.digits)-i > 2 && m.digits[i] == '0' && m.digits[i+1] == '0' && m.digits[i+2] != '0' && !m.behindDot(i):
		zeros = 2
	default:
		return 0
	}
	end = min(end, i+most+zeros+1) // with the zero that is dialled
	for _, p := range m.pluses {
		// Behind less than a number a plus is a blank of a URL.
		if p >= end || p-i >= fewest+zeros {
			end = min(end, p)
			break
		}
	}
	if end-i < fewest+zeros {
		return 0
	}
	return end - i
}

// behind returns the length of a number that has its country code behind it, or 0.
func (m *marks) behind(i int) int {
	const longest = most + 3 // with a prefix that is dialled
	for len(m.codes) > 0 && m.codes[0] <= i {
		m.codes = m.codes[1:]
	}
	if i <= 2 && m.behindDot(2) && partOfTime(m.run) {
		return 0 // seconds with a fraction, and a time zone
	}
	n := 0
	for _, p := range m.codes {
		if p-i > longest {
			break
		}
		// Others may be blanks of a URL within the number.
		if code, _ := m.codeBehind(p); code != "" && p-i >= fewestRest {
			n = p - i
		}
	}
	return n
}

// behindDot reports whether a digit is the first behind the point of a decimal number.
func (r *run) behindDot(i int) bool {
	return i > 0 && i < len(r.digits) && r.blocks[i] && strings.Contains(points, string(r.text[r.places[i-1].to:r.places[i].from]))
}

// HideLong hides every number of a text that is long enough to be a telephone number, but
// for its last two digits.
func HideLong(text string) string {
	var none Set
	return none.HideLong(text)
}

// HideAll hides all digits of a text but the last two.
func HideAll(text string) string {
	v := veil{text: text}
	for l := range layersOf([]byte(text), true) {
		var all []place
		for r := range runs(l.text) {
			all = append(all, r.places...)
		}
		v.hideAll(l, all[:max(0, len(all)-shown)])
	}
	return v.String()
}

// veil is a text of which some bytes are hidden.
type veil struct {
	text  string
	bytes []veiled // nil: all stay
}

type veiled byte

const (
	stays veiled = iota
	starred
	gone // part of an escape of which the first byte is starred
)

func (v *veil) hide(l layer, p place) {
	if v.bytes == nil {
		v.bytes = make([]veiled, len(v.text))
	}
	from, to := l.origin(p.from, p.to)
	v.bytes[from] = starred
	for i := from + 1; i < to; i++ {
		v.bytes[i] = gone
	}
}

func (v *veil) hideAll(l layer, places []place) {
	for _, p := range places {
		v.hide(l, p)
	}
}

// String is the text as it may be shown.
func (v *veil) String() string {
	if v.bytes == nil {
		return v.text
	}
	var b strings.Builder
	for i, how := range v.bytes {
		switch how {
		case stays:
			b.WriteByte(v.text[i])
		case starred:
			b.WriteByte('*')
		}
	}
	return b.String()
}
