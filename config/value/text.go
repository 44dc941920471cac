package value

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Every text from outside is read here, from wherever it comes: the YAML file,
// the environment, a flag, a file with secrets. A byte order mark and the line feed at the
// end of a mounted file are never meant, and are removed without a warning. What looks
// wrong is returned as doubts: warnings that never repeat the text.

// Decode returns the text of a file: UTF-8, or UTF-16 as some editors and shells
// write it, without a byte order mark. Anything else is returned as it is.
func Decode(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return string(b[3:])
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return fromUTF16(b[2:], binary.BigEndian)
	case everySecondZero(b, 1):
		return fromUTF16(b, binary.LittleEndian)
	case everySecondZero(b, 0):
		return fromUTF16(b, binary.BigEndian)
	}
	return string(b)
}

// everySecondZero reports whether b is ASCII in UTF-16: of each two bytes one is zero,
// and the other is not.
func everySecondZero(b []byte, zero int) bool {
	if len(b) < 2 || len(b)%2 != 0 {
		return false
	}
	for i := 0; i < len(b); i += 2 {
		if b[i+zero] != 0 || b[i+1-zero] == 0 {
			return false
		}
	}
	return true
}

func fromUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// ReadFile reads a file and decodes it, see [Decode].
func ReadFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return Decode(b), err
}

// Trim leaves out what cannot be seen at both ends: white space, line feeds, byte order
// marks and other characters without a form, and NUL.
func Trim(s string) string { return strings.TrimFunc(s, Invisible) }

// Invisible reports whether a character cannot be seen: white space, or one without a form.
func Invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == 0
}

// quotes are the pairs that may stand around a text that was copied, or written where no
// shell takes them away, such as in a file for docker run --env-file.
var quotes = []struct{ open, close string }{
	{`"`, `"`}, {`'`, `'`}, {"`", "`"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"},
}

// unquote takes one pair of quotes away.
func unquote(s string) (string, bool) {
	for _, q := range quotes {
		if len(s) > len(q.open)+len(q.close) && strings.HasPrefix(s, q.open) && strings.HasSuffix(s, q.close) {
			return Trim(s[len(q.open) : len(s)-len(q.close)]), true
		}
	}
	return s, false
}

// UnquoteList takes away quotes that stand around a whole list and not around each of
// its entries.
func UnquoteList(s string) (text string, doubts []string) {
	s = Trim(Decode([]byte(s)))
	inner, ok := unquote(s)
	if ok && strings.Contains(inner, ",") && !strings.ContainsAny(inner, "\"'`“”„‘’«»") {
		return inner, []string{doubtQuotes}
	}
	return s, nil
}

// The doubts.
const (
	doubtQuotes      = "stands in quotes, which are left out: write it without them, or twice if they belong to it"
	doubtPlaceholder = "looks like a placeholder that nothing has replaced"
)

// Clean returns a text as it is meant, and what looks wrong about it.
func Clean(s string) (text string, doubts []string) {
	text = Trim(Decode([]byte(s)))
	if inner, ok := unquote(text); ok {
		text, doubts = inner, append(doubts, doubtQuotes)
	}
	if placeholder.MatchString(text) {
		doubts = append(doubts, doubtPlaceholder)
	}
	return text, doubts
}

// Doubts puts in front of each doubt whose it is, such as "nats.url:".
func Doubts(of string, doubts []string) []string {
	all := make([]string, len(doubts))
	for i, d := range doubts {
		all[i] = of + " " + d
	}
	return all
}
