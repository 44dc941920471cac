package phone

import (
	"bytes"
	"html"
	"iter"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// mostLayers bounds the layers of escapes that are decoded: JSON may stand in a string of
// JSON, and a URL in that.
const mostLayers = 4

// Readings returns a text as it is, and with one, two, … layers taken off of what JSON
// (\u0035, \/) and URLs (%35) escape. What is no escape stays.
func Readings(text []byte) [][]byte {
	var all [][]byte
	for l := range layersOf(text, false) {
		all = append(all, l.text)
	}
	return all
}

func deepest(text []byte) []byte {
	for l := range layersOf(text, false) {
		text = l.text
	}
	return text
}

// layer is a text without some of the escapes.
type layer struct {
	text []byte
	at   []int // where each byte of it, and its end, was in the text itself; nil: at the same place
}

// origin returns where bytes of the layer were in the text itself.
func (l layer) origin(from, to int) (int, int) {
	if l.at == nil {
		return from, to
	}
	return l.at[from], l.at[to]
}

// layersOf yields the text and what its layers hide. The places are known if they are
// asked for.
func layersOf(text []byte, places bool) iter.Seq[layer] {
	return func(yield func(layer) bool) {
		l := layer{text: text}
		for range mostLayers {
			if !yield(l) {
				return
			}
			next, ok := l.unescape(places)
			if !ok {
				return
			}
			l = next
		}
		yield(l)
	}
}

// unescape takes off one layer, if there is any.
func (l layer) unescape(places bool) (out layer, found bool) {
	text := l.text
	if bytes.IndexByte(text, '\\') < 0 && bytes.IndexByte(text, '%') < 0 && bytes.IndexByte(text, '&') < 0 {
		return l, false
	}
	out.text = make([]byte, 0, len(text))
	if places {
		out.at = make([]int, 0, len(text)+1)
	}
	for i := 0; i < len(text); {
		before := len(out.text)
		n := 0
		out.text, n = appendUnescaped(out.text, text[i:])
		found = found || n > 1
		if places {
			from, _ := l.origin(i, i)
			for range len(out.text) - before {
				out.at = append(out.at, from)
			}
		}
		i += n
	}
	if places {
		_, end := l.origin(len(text), len(text))
		out.at = append(out.at, end)
	}
	return out, found
}

// appendUnescaped appends what the beginning of text means, and returns how much of it
// that is: more than a byte of an escape, and of nothing else.
func appendUnescaped(out, text []byte) ([]byte, int) {
	switch {
	case text[0] == '%' && len(text) >= 3:
		if c, ok := hex(text[1:3]); ok {
			return append(out, byte(c)), 3
		}
	case text[0] == '&':
		if s, n := entity(text); n > 0 {
			return append(out, s...), n
		}
	case text[0] == '\\' && len(text) >= 2:
		switch text[1] {
		case '\\', '/', '"':
			return append(out, text[1]), 2
		case 'n', 'r', 't', 'b', 'f':
			return append(out, ' '), 2
		case 'u':
			if r, ok := unitAt(text); ok {
				if low, ok := unitAt(text[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
					return utf8.AppendRune(out, utf16.DecodeRune(r, low)), 12
				}
				return utf8.AppendRune(out, r), 6
			}
		}
	}
	return append(out, text[0]), 1
}

// The longest of what may stand behind the & of an entity: of a name, of which the longest
// is CounterClockwiseContourIntegral, and of a number, with zeros that mean nothing. Names
// that need no semicolon have at least two letters and at most six.
const (
	longestName   = 32
	longestNumber = 64
	shortestBare  = 2
	longestBare   = 6
)

// entity returns the text that an entity of HTML at the beginning of text stands for, and
// the entity's length, or 0 if there is none.
func entity(text []byte) (string, int) {
	if len(text) < 3 {
		return "", 0
	}
	if text[1] == '#' {
		return numericEntity(text)
	}
	n := 1
	for n < len(text) && n <= longestName && isAlphanumeric(text[n]) {
		n++
	}
	name := string(text[:n])
	if n < len(text) && text[n] == ';' {
		// A text that is left is what follows a shorter name.
		if s := html.UnescapeString(name + ";"); s != name+";" && (s == ";" || !strings.HasSuffix(s, ";")) {
			return s, n + 1
		}
	}
	for n := min(n-1, longestBare); n >= shortestBare; n-- {
		if s := html.UnescapeString(name[:1+n]); s != name[:1+n] && len(s) < 1+n && !isAlphanumeric(s[len(s)-1]) {
			return s, 1 + n
		}
	}
	return "", 0
}

// numericEntity reads an entity such as &#53; or &#x35;, the semicolon of which may be
// missing.
func numericEntity(text []byte) (string, int) {
	n, base := 2, rune(10)
	if text[n]|0x20 == 'x' {
		n, base = 3, 16
	}
	from, value := n, rune(0)
	for n < len(text) && n-from < longestNumber {
		v, ok := hex(text[n : n+1])
		if !ok || v >= base {
			break
		}
		value = min(value*base+v, unicode.MaxRune+1) // which is no character either
		n++
	}
	if n == from {
		return "", 0
	}
	if n < len(text) && text[n] == ';' {
		n++
	}
	if value < 0x80 || value > 0x9f {
		return string(value), n
	}
	return string(utf8.RuneError), n // browsers read Windows-1252: a dash, quotation marks
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// unitAt reads a unit of UTF-16 as JSON escapes it.
func unitAt(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	return hex(text[2:6])
}

func hex(digits []byte) (r rune, ok bool) {
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
