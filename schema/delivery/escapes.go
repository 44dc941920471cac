package delivery

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// unescaped decodes what stands between the quotes of a valid JSON string. Half of a
// surrogate pair becomes U+FFFD.
func unescaped(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	out := make([]byte, 0, len(s)) // an escape is never shorter than what it stands for
	for i >= 0 {
		out = append(out, s[:i]...)
		s = s[i:]
		n := 2
		switch c := s[1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			var r rune
			r, n = runeAt(s)
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
		s = s[n:]
		i = strings.IndexByte(s, '\\')
	}
	return view(append(out, s...))
}

// runeAt returns the rune of the escape \uXXXX, or of a pair of them, and their length.
func runeAt(s string) (rune, int) {
	unit := unitAt(s)
	if low := unitAt(s[6:]); isPair(unit, low) {
		return utf16.DecodeRune(unit, low), 12
	}
	if surrogate(unit) {
		return utf8.RuneError, 6
	}
	return unit, 6
}

// unitAt returns the unit of UTF-16 that a text begins with as an escape, or -1.
func unitAt(s string) (unit rune) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		unit = unit<<4 | rune(c)
	}
	return unit
}

func surrogate(unit rune) bool { return utf16.IsSurrogate(unit) }

// isPair reports whether two units of UTF-16 are one letter.
func isPair(high, low rune) bool {
	return 0xd800 <= high && high < 0xdc00 && 0xdc00 <= low && low < 0xe000
}
