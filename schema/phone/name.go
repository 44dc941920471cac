package phone

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// longestWord is the length up to which a name is read, in bytes, and mostWords how many
// are looked at before a value.
const (
	longestWord = 32
	mostWords   = 5
)

// codeNames are names of a country code, and codeParts what else names it if it is part
// of a name, in lower case and without dashes and the like.
var (
	codeNames = []string{"code", "codigo", "código", "cc", "phonecode", "callingcode", "ddi", "lada"}
	codeParts = []string{"country", "pais", "país", "indicativ", "prefij", "prefix", "dialcode", "dialingcode", "phonecontext"}
)

// namesCode reports whether a text ends with the name of a country code and what may
// stand between a name and its value: JSON, a form, a header, words. A session variable
// is {"key": name, "type": "string", "value": value}. It says how many bytes it has read:
// nothing but marks stand between two words, so each byte is read at most mostWords times
// for all digits of a text.
func namesCode(text []byte) (named bool, steps int) {
	before := text
	for n := range mostWords {
		word, rest := lastWord(before)
		if len(word) == 0 {
			return false, len(text) - len(rest)
		}
		name := string(bytes.Map(func(r rune) rune {
			if r == '-' || r == '_' || r == '.' {
				return -1
			}
			return r
		}, bytes.ToLower(word)))
		if slices.Contains(codeNames, name) || slices.ContainsFunc(codeParts, func(part string) bool { return bytes.Contains([]byte(name), []byte(part)) }) {
			return true, len(text) - len(rest)
		}
		if n == 0 && name != "value" && name != "valor" {
			return false, len(text) - len(rest)
		}
		before = rest
	}
	return false, len(text) - len(before)
}

// lastWord returns the last word of a text, behind which only marks stand, and what stands
// before it.
func lastWord(text []byte) (word, before []byte) {
	end := len(text)
	for end > 0 {
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

// inWord reports whether a character may be part of a name.
func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || joinsWords(r) }

func joinsWords(r rune) bool { return r == '_' || r == '-' || r == '.' }
