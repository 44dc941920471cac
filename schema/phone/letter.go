package phone

import (
	"unicode"
	"unicode/utf8"
)

// class is what a letter means for a number.
type class int

const (
	other     class = iota // ends the number
	isDigit                // is part of it
	isPlus                 // may begin it, or stand between two digits, as a URL writes a blank
	separator              // may stand between two digits
	ignored                // likewise, and is not seen: format characters, fillers, accents
)

// letterAt reads the letter that text begins with: its class, the value of a digit as
// '0' to '9', and its length in bytes.
func letterAt(text []byte) (c class, value byte, n int) {
	if b := text[0]; b < utf8.RuneSelf {
		if '0' <= b && b <= '9' {
			return isDigit, b, 1
		}
		return ascii[b], 0, 1
	}
	r, n := utf8.DecodeRune(text)
	if r == utf8.RuneError {
		// Of another encoding, in which it may be a blank or a dash; or what raw has in its
		// place.
		return separator, 0, n
	}
	if v, ok := digitValue(r); ok {
		return isDigit, v, n
	}
	return classOf(r), 0, n
}

// ascii are the classes of the ASCII letters but for the digits.
var ascii = func() (classes [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		classes[r] = classOf(r)
	}
	return classes
}()

// pluses are the plus and the letters that Unicode takes for the same in another form.
const pluses = "+\u207a\u208a\ufb29\ufe62\uff0b"

// punctuation is what stands in numbers of the categories of which the rest is what
// lists, times and JSON are made of; and letters that are written for a dash, as in Japan,
// or for a blank (that of Braille).
const punctuation = "./'~\u30fc\uff70\u2800"

func classOf(r rune) class {
	for _, p := range pluses {
		if r == p {
			return isPlus
		}
	}
	for _, p := range punctuation {
		if r == p {
			return separator
		}
	}
	switch {
	case unicode.IsSpace(r), unicode.In(r, unicode.Z, unicode.Pd, unicode.Ps, unicode.Pe, unicode.Pc, unicode.Pi, unicode.Pf):
		return separator
	case unicode.In(r, unicode.Cf, unicode.Cc, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point):
		return ignored
	case r >= utf8.RuneSelf && unicode.In(r, unicode.Po, unicode.Sm):
		return separator // such as the minus sign, dots and slashes of other widths
	}
	return other
}

// digitValue returns the value of a decimal digit of any script, as '0' to '9'.
func digitValue(r rune) (byte, bool) {
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	// Each range begins with a zero and has all ten digits, of one script after another.
	for _, g := range unicode.Nd.R16 {
		if rune(g.Lo) <= r && r <= rune(g.Hi) {
			return '0' + byte((r-rune(g.Lo))%10), true
		}
	}
	for _, g := range unicode.Nd.R32 {
		if rune(g.Lo) <= r && r <= rune(g.Hi) {
			return '0' + byte((r-rune(g.Lo))%10), true
		}
	}
	return 0, false
}
