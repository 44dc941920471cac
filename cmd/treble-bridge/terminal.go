package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"

	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
)

// isTerminal reports whether a reader or writer is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// palette colours text for people, or leaves it alone.
type palette struct{ on bool }

// paletteFor turns colours on for a terminal, unless NO_COLOR is set
// (https://no-color.org).
func paletteFor(w io.Writer) palette {
	return palette{on: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// The codes of the colours in use.
const (
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (p palette) paint(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// printable returns text from outside as one line that cannot steer a
// terminal: line ends become a blank, other controls are shown as \u001b.
func printable(text string) string {
	text = strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(text)
	return escapeControls(text, jsonEscape)
}

// jsonEscape writes a character as JSON does.
func jsonEscape(r rune) string {
	if r > 0xffff {
		return "\ufffd"
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// escapeControls replaces control characters and those that change the
// direction or the visibility of text.
func escapeControls(text string, escape func(rune) string) string {
	if strings.IndexFunc(text, steers) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// steers reports whether a terminal may do something else with a character
// than show it. Joiners are let through: emoji are made with them.
func steers(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner ||
		r == '\u2028' || r == '\u2029'
}

// shellWords joins words to a command line that can be pasted, each quoted if it
// needs it.
func shellWords(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = diagnose.Quote(printable(word))
	}
	return strings.Join(quoted, " ")
}
