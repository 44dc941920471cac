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
	return EscapeControls(text, JSONEscape)
}

// JSONEscape writes a character as JSON does.
func JSONEscape(r rune) string {
	if r > 0xffff {
		return "\ufffd"
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// EscapeControls replaces control characters and those that change the
// direction or the visibility of text.
func EscapeControls(text string, escape func(rune) string) string {
	if strings.IndexFunc(text, Steers) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if Steers(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
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
