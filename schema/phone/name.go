package phone

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// How far it is looked for a name: bytes between a name and its value, bytes of a name,
// and both for all names that are looked at before a value; and bytes between a country
// code and the rest of the number.
const (
	mostBetween = 24
	longestWord = 32
	mostWords   = 5
	mostNamed   = mostWords * (mostBetween + longestWord)
)

// codeNames are names of a country code, and codeParts what else names it if it is part
// of a name, in lower case and without dashes and the like.
var (
	codeNames = []string{"code", "codigo", "código", "cc", "phonecode", "callingcode", "ddi", "lada"}
	codeParts = []string{"country", "pais", "país", "indicativ", "prefij", "prefix", "dialcode", "dialingcode", "phonecontext"}
)

// namesCode reports whether a text ends with the name of a country code and what may
// stand between a name and its value: JSON, a form, a header, words. A session variable
// is {"key": name, "type": "string", "value": value}.
func namesCode(before []byte) bool {
	for n := range mostWords {
		word, rest := lastWord(before)
		if len(word) == 0 {
			return false
		}
		name := string(bytes.Map(func(r rune) rune {
			if r == '-' || r == '_' || r == '.' {
				return -1
			}
			return r
		}, bytes.ToLower(word)))
		if slices.Contains(codeNames, name) || slices.ContainsFunc(codeParts, func(part string) bool { return bytes.Contains([]byte(name), []byte(part)) }) {
			return true
		}
		if n == 0 && name != "value" && name != "valor" {
			return false
		}
		before = rest
	}
	return false
}

// lastWord returns the last word of a text, if nothing but a few marks stand behind it,
// and what stands before.
func lastWord(text []byte) (word, before []byte) {
	end := len(text)
	for end > 0 && len(text)-end <= mostBetween {
		r, n := utf8.DecodeLastRune(text[:end])
		if inWord(r) && !joinsWords(r) {
			break
		}
		end -= n
	}
	from := end
	for from > 0 && end-from < longestWord {
		r, n := utf8.DecodeLastRune(text[:from])
		if !inWord(r) {
			break
		}
		from -= n
	}
	return text[from:end], text[:from]
}

func containsWord(text []byte) bool { return bytes.ContainsFunc(text, inWord) }

// inWord reports whether a letter may be part of a name.
func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || joinsWords(r) }

func joinsWords(r rune) bool { return r == '_' || r == '-' || r == '.' }
