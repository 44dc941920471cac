package delivery

import (
	"encoding/hex"
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
	if utf16.IsSurrogate(unit) {
		return utf8.RuneError, 6
	}
	return unit, 6
}

// unitAt returns the unit of UTF-16 that a text begins with as an escape, or -1.
func unitAt(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var b [2]byte
	if _, err := hex.Decode(b[:], []byte(s[2:6])); err != nil {
		return -1
	}
	return rune(b[0])<<8 | rune(b[1])
}

// isPair reports whether two units of UTF-16 are one letter.
func isPair(high, low rune) bool {
	return 0xd800 <= high && high < 0xdc00 && 0xdc00 <= low && low < 0xe000
}
