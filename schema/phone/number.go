package phone

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The number of digits that E.164 allows, with the country code.
const (
	fewest = 7
	most   = 15
)

// Join joins a country code and a number to E.164, such as "+573161234567". A number in
// the international form (with + or 00) needs no country code. The bool is false if that
// gives no telephone number, or if nobody can tell which: behind 57, +3001234567 may be
// the Colombian 3001234567 as well as a number of Greece. See Agrees for one that can be
// told.
func Join(countryCode, number string) (string, bool) {
	s, ok := spelled(number)
	if !ok || s.digits == "" {
		return "", false
	}
	code := codeIn(countryCode)
	return s.read(code, func(digits string) (string, bool) {
		switch {
		case s.international && ambiguous(code, digits):
			return "", false
		case s.international:
			return e164(digits)
		case code == "" || len(digits) < fewestRest:
			return "", false
		}
		return e164(code + digits)
	})
}

// Agrees reports whether a number, in the form that Join returns, is one of the country
// of a country code, or the country code says nothing.
func Agrees(countryCode, number string) bool {
	code := codeIn(countryCode)
	return code == "" || ofCountry(code, strings.TrimPrefix(number, "+"))
}

// codeIn returns the digits of a country code, with which those of an area may stand, or
// "" if it is none.
func codeIn(s string) string {
	digits, _, ok := plain(s)
	if !ok {
		text := deepest([]byte(s))
		var spelled spelling
		spelled, ok = onlyNumber(text)
		digits = spelled.digits
		// Neither two codes are one, nor is an amount.
		ok = ok && len(spelled.gaps) == 0 && bytes.IndexByte(text, ',') < 0
	}
	digits = strings.TrimLeft(digits, "0")
	if !ok || len(digits) > longestCode || !isCountry(countryOf(digits)) {
		return ""
	}
	return digits
}

// longestCode is that of a country code with the digits of an area, such as 1809.
const longestCode = 4

func ofCountry(code, digits string) bool {
	return strings.HasPrefix(digits, code) || countryOf(digits) == countryOf(code)
}

// ambiguous reports whether digits that are written as international ones may be a number
// of the country with the code to which somebody put a plus, or can be no other number.
func ambiguous(code, digits string) bool {
	if code == "" || ofCountry(code, digits) {
		return false
	}
	number, ok := e164(digits)
	if !ok {
		return false // none in any case
	}
	if country := countryOf(number[1:]); !fitsPlan(country, number[1+len(country):], true) {
		return true
	}
	here, ok := e164(code + digits)
	country := countryOf(code)
	return ok && fitsPlan(country, here[1+len(country):], len(digits) <= longestNational)
}

// Parse returns a number in the international form, with or without the +. The bool is
// false if it is none.
func Parse(s string) (string, bool) {
	n, ok := spelled(s)
	if !ok {
		return "", false
	}
	return n.read("", func(digits string) (string, bool) {
		for _, p := range abroad {
			digits = strings.TrimPrefix(digits, p)
		}
		return e164(digits)
	})
}

// abroad are prefixes that are dialled before a country code, which never begins with a
// zero.
var abroad = []string{"00", "011"}

// e164 returns the number of which these are the digits in the international form.
func e164(digits string) (string, bool) {
	country := countryOf(digits)
	t := trunkOf(country)
	rest := t.strip(digits[len(country):])
	if len(t.prefixes) > 0 && strings.HasPrefix(rest, "0") {
		return "", false
	}
	rest = withoutHome(country, rest)
	if n := len(country) + len(rest); len(rest) < fewestRest || n < fewest || n > most || country[0] == '0' {
		return "", false
	}
	return "+" + country + rest, true
}

// spelling is a text that is a number and nothing else.
type spelling struct {
	digits        string // without the 00 that it may begin with
	international bool   // it says that the country code is among them
	gaps          []gap  // between digits, with a plus
}

type gap struct {
	at    int  // the digit behind it
	apart bool // the plus is set apart from the digits before it, so that it is no blank of a URL
}

// spelled reads a text that is a number and nothing else.
func spelled(text string) (s spelling, ok bool) {
	if s.digits, s.international, ok = plain(text); ok {
		return s, true
	}
	number, linked := cutLink(deepest([]byte(text)))
	s, ok = onlyNumber(number)
	s.international = s.international || linked
	return s, ok
}

// read returns the number, of which join makes digits without a plus between them one. A
// plus between digits is a blank of a URL, or a country code stands behind it, or another
// number. What stands behind it says which: a code is short, and a number that a blank
// parts is one of its country only as a whole.
func (s *spelling) read(code string, join func(digits string) (string, bool)) (string, bool) {
	if len(s.gaps) == 0 {
		return join(s.digits)
	}
	last := s.gaps[len(s.gaps)-1]
	behind := s.digits[last.at:]
	for _, p := range abroad {
		behind = strings.TrimPrefix(behind, p)
	}
	maybeCode := behind != "" && (behind == code || isCountry(behind))
	if maybeCode && last.apart {
		return s.withCodeBehind(code, behind)
	}
	apart := slices.ContainsFunc(s.gaps, func(g gap) bool { return g.apart })
	number, ok := join(s.digits)
	if ok && fits(number, !apart && (len(s.gaps) > 1 || !maybeCode)) {
		return number, true
	}
	if maybeCode {
		return s.withCodeBehind(code, behind)
	}
	return "", false
}

// withCodeBehind is read for a country code behind the number, which has to be the one
// that is given, if one is.
func (s *spelling) withCodeBehind(code, behind string) (number string, ok bool) {
	digits := s.digits[:s.gaps[len(s.gaps)-1].at]
	switch {
	case code != "" && behind != code:
		return "", false
	case s.international:
		number, ok = e164(digits)
		ok = ok && strings.HasPrefix(number[1:], behind)
	case len(digits) > longestNational && strings.HasPrefix(digits, behind):
		return "", false // ambiguous: the code may be there twice
	default:
		number, ok = e164(behind + digits)
	}
	if !ok || !fits(number, true) {
		return "", false
	}
	return number, true
}

// fits is fitsPlan for a number as e164 returns it.
func fits(number string, unknown bool) bool {
	country := countryOf(number[1:])
	return fitsPlan(country, number[1+len(country):], unknown)
}

// plain is spelled for what Treble sends, which needs no reading: ASCII digits, and a plus
// before them or none.
func plain(s string) (digits string, international, ok bool) {
	digits, international = strings.CutPrefix(s, "+")
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", false, false
		}
	}
	ok = digits != ""
	digits, zeros := strings.CutPrefix(digits, "00")
	return digits, international || zeros, ok
}

// onlyNumber is spelled for a text that is no link, and has no escapes.
func onlyNumber(text []byte) (s spelling, ok bool) {
	if text, ok = wholeNumber(ungrouped(text)); !ok {
		return spelling{}, false
	}
	var b strings.Builder
	plus, touches := gap{at: -1}, false // the last plus; a plus here would be one as URLs have it
	for len(text) > 0 {
		c, d, n := characterAt(text)
		switch c {
		case other:
			return spelling{}, false
		case isDigit:
			if b.Len() > 0 && plus.at == b.Len() {
				s.gaps = append(s.gaps, plus)
			}
			b.WriteString(d)
		case isPlus:
			s.international = s.international || b.Len() == 0
			plus = gap{b.Len(), !touches}
		}
		r, _ := utf8.DecodeRune(text)
		touches = c == isDigit || unicode.Is(unicode.Pe, r)
		text = text[n:]
	}
	digits, zeros := strings.CutPrefix(b.String(), "00")
	if zeros {
		for i := range s.gaps {
			s.gaps[i].at -= len("00")
		}
		s.gaps = slices.DeleteFunc(s.gaps, func(g gap) bool { return g.at <= 0 })
	}
	s.digits, s.international = digits, s.international || zeros
	return s, true
}

// quantity is a telephone number as a program writes it that takes it for one.
var quantity = regexp.MustCompile(`^\+?([0-9]+)(?:\.([0-9]+))?(?:e\+?0*([0-9]+))?$`)

// points are the decimal separators.
const points = ".\uff0e\u066b"

// wholeNumber returns a text without the fraction and the exponent of a quantity:
// 3001234567.0, 3.001234567e9. The bool is false for one with a fraction that is not zero,
// or with digits that stand nowhere, since it is another number, or none. A text that is
// no quantity is returned as it is.
func wholeNumber(text []byte) ([]byte, bool) {
	if !bytes.ContainsAny(text, points+"eE") {
		return text, true
	}
	plain := inASCII(bytes.TrimSpace(text))
	m := quantity.FindSubmatch(plain)
	if m == nil {
		// Nobody writes the last digit of a number behind a point by itself.
		if n := len(plain) - len(".0"); n > 0 && onlyDigits(plain[n-1:n]) && string(plain[n:]) == ".0" {
			return plain[:n], true
		}
		return text, true
	}
	sign := plain[:bytes.Index(plain, m[1])]
	whole, fraction, exponent := m[1], m[2], m[3]
	switch {
	case exponent != nil:
		n, err := strconv.Atoi(string(exponent))
		return slices.Concat(sign, whole, fraction), err == nil && n == len(fraction)
	case onlyDigits(fraction) && len(bytes.Trim(fraction, "0")) == 0:
		return slices.Concat(sign, whole), true
	case onlyDigits(fraction) && len(whole) >= fewest:
		return nil, false
	}
	return text, true
}

// inASCII returns a text with digits, pluses and points of ASCII in place of others, a
// blank for other separators and an x for what ends a number.
func inASCII(text []byte) []byte {
	plain := make([]byte, 0, len(text))
	for len(text) > 0 {
		c, digits, n := characterAt(text)
		character := string(text[:n])
		switch {
		case c == isDigit:
			plain = append(plain, digits...)
		case c == isPlus:
			plain = append(plain, '+')
		case strings.Contains(points, character):
			plain = append(plain, '.')
		case character == "e" || character == "E":
			plain = append(plain, 'e')
		case c == separator:
			plain = append(plain, ' ')
		case c == other:
			plain = append(plain, 'x')
		}
		text = text[n:]
	}
	return plain
}

func onlyDigits(text []byte) bool {
	return len(text) > 0 && len(bytes.Trim(text, decimals)) == 0
}

// links are the prefixes of a number in a link, in lower case, and whether it has the international
// form there.
var links = []struct {
	before        string
	international bool
}{
	{"phone=", true}, {"wa.me", true}, {"whatsapp:", true}, {"tel:", false}, {"sms:", false}, {"callto:", false},
}

// cutLink returns the number of a link, or a text that is none as it is.
func cutLink(text []byte) (number []byte, international bool) {
	lower := bytes.ToLower(text)
	for _, l := range links {
		// The length of a character may change with its case.
		if i := bytes.Index(lower, []byte(l.before)); i >= 0 && len(lower) == len(text) {
			number = text[i+len(l.before):]
			if end := bytes.IndexAny(number, ";?&#"); end >= 0 {
				number = number[:end]
			}
			return number, l.international
		}
	}
	return text, false
}

// isLinked reports whether a text ends where the number of a link begins.
func isLinked(before []byte) bool {
	const longest = 16 // of links, and of what may stand behind them
	before = bytes.ToLower(before[max(0, len(before)-longest):])
	before = bytes.TrimRight(before, "/+ ")
	for _, l := range links {
		if bytes.HasSuffix(before, []byte(l.before)) {
			return true
		}
	}
	return false
}
