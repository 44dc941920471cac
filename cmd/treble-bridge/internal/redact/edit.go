package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config/value"
)

// Literal is a string or number of a JSON document.
type Literal struct {
	Key    string // the object key nearest before it; of an array's element that of the array
	Text   string // a string's value, or a number as written
	Number bool
}

// EditLiterals returns doc with some of its literals replaced by strings: those
// for which edit returns true. Keys are passed to edit too, with an empty Key.
// Every other byte stays as it is, so that what is shown is what was received.
func EditLiterals(doc []byte, edit func(Literal) (string, bool)) ([]byte, error) {
	if !json.Valid(doc) {
		return nil, errors.New("not a JSON document")
	}
	out := make([]byte, 0, len(doc)+64)
	key := ""
	for i := 0; i < len(doc); {
		end := literalEnd(doc, i)
		if end == i {
			out = append(out, doc[i])
			i++
			continue
		}
		raw := doc[i:end]
		i = end
		l := Literal{Key: key, Text: string(raw), Number: raw[0] != '"'}
		if !l.Number {
			// The document is valid, so this is a string.
			_ = json.Unmarshal(raw, &l.Text)
			if isKey(doc[end:]) {
				key = l.Text
				l.Key = ""
			}
		}
		if text, ok := edit(l); ok {
			raw = QuoteJSON(text)
		}
		out = append(out, raw...)
	}
	return out, nil
}

// literalEnd returns where the string or number that begins at i ends, or i if
// none does.
func literalEnd(doc []byte, i int) int {
	switch c := doc[i]; {
	case c == '"':
		for i++; doc[i] != '"'; i++ {
			if doc[i] == '\\' {
				i++
			}
		}
		return i + 1
	case c == '-' || '0' <= c && c <= '9':
		for i < len(doc) && strings.IndexByte("+-.0123456789eE", doc[i]) >= 0 {
			i++
		}
	}
	return i
}

// isKey reports whether a colon is next: only keys are followed by one.
func isKey(rest []byte) bool {
	for _, c := range rest {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c == ':'
		}
	}
	return false
}

// QuoteJSON writes a JSON string in which nothing can steer a terminal.
func QuoteJSON(s string) []byte {
	b, _ := value.MarshalJSON(s) // a string can always be encoded
	return []byte(terminal.EscapeControls(string(b)))
}

// Harmless escapes the characters of a JSON document, or of any text, that could steer a terminal.
func Harmless(doc []byte) []byte {
	out, err := EditLiterals(doc, func(l Literal) (string, bool) {
		return l.Text, strings.ContainsFunc(l.Text, terminal.Steers)
	})
	if err != nil {
		return []byte(terminal.Printable(string(doc)))
	}
	return bytes.ReplaceAll(out, []byte("\r"), nil)
}
