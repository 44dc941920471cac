package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shorten cuts a text at a number of characters, the dots included.
func Shorten(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Pad appends blanks up to a width in characters.
func Pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// Printable returns text from outside as one line that cannot steer a
// terminal: line ends become a blank, other controls are shown as \u001b.
func Printable(text string) string {
	text = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(text)
	return EscapeControls(text)
}

// EscapeControls writes control characters, and those that change the direction or the
// visibility of text, as JSON does; those beyond 16 bits become U+FFFD.
func EscapeControls(text string) string {
	if !strings.ContainsFunc(text, Steers) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !Steers(r):
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteRune(utf8.RuneError)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Steers reports whether a terminal may do something else with a character
// than show it. Joiners are let through: emoji are made with them.
func Steers(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner ||
		r == '\u2028' || r == '\u2029'
}
