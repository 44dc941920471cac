package main

import (
	"encoding/json"
	"regexp"
	"strings"
)

// mask hides phone numbers in a JSON document and leaves every other byte as
// it is. Hidden are: the values of keys that name a phone (phone, cellphone and
// the like, and session variables of such names); the same digits wherever
// else they stand in the document, with or without separators between them;
// and whatever looks like an international number (+ and 8 to 15 digits). A
// hidden digit is a *, the last two stay, so that two people can still be told
// apart. A number that holds a phone becomes a string, and raw_base64, the
// bytes in disguise, is emptied.
//
// A document that is not JSON is replaced as a whole: nobody can tell what is
// in it.
func mask(doc []byte) []byte {
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		return []byte(`"masked: not JSON"`)
	}
	m := newMasker(tree)
	out, err := editLiterals(doc, m.edit)
	if err != nil {
		return []byte(`"masked: not JSON"`)
	}
	return out
}

// masker knows the numbers of one document.
type masker struct{ known *regexp.Regexp }

var (
	phoneKey      = regexp.MustCompile(`(?i)phone|mobile|celular|tel[eé]fono|telefone|whatsapp|^tel$|^cel$`)
	international = regexp.MustCompile(`\+[\s.()-]*\d(?:[\s.()-]*\d){7,14}`)
	envelopeID    = regexp.MustCompile(`^[a-z2-7]{26}$`)
	digit         = regexp.MustCompile(`\d`)
)

// fewestDigits is the length from which digits of a phone are looked for in
// all of the document: fewer would hide times and ids everywhere.
const fewestDigits = 5

func newMasker(tree any) masker {
	found := map[string]bool{}
	collectPhones(tree, found)
	var patterns []string
	for digits := range found {
		// Longest first is not needed: the whole match is hidden either way.
		patterns = append(patterns, strings.Join(strings.Split(digits, ""), `[\s.()-]*`))
	}
	if len(patterns) == 0 {
		return masker{}
	}
	return masker{regexp.MustCompile(`(?:\+\d{0,3}[\s.()-]*)?(?:` + strings.Join(patterns, "|") + `)`)}
}

// collectPhones gathers the digits of every phone that a key names.
func collectPhones(v any, found map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collectPhones(item, found)
		}
	case map[string]any:
		// A session variable is {"key": name, "value": value}.
		if name, ok := v["key"].(string); ok && phoneKey.MatchString(name) {
			addPhone(v["value"], found)
		}
		for key, item := range v {
			if phoneKey.MatchString(key) {
				addPhone(item, found)
			}
			collectPhones(item, found)
		}
	}
}

func addPhone(v any, found map[string]bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case float64:
		b, _ := json.Marshal(int64(v))
		text = string(b)
	}
	if digits := strings.Join(digit.FindAllString(text, -1), ""); len(digits) >= fewestDigits && len(digits) <= 20 {
		found[digits] = true
	}
}

func (m masker) edit(l literal) (string, bool) {
	if l.Key == "raw_base64" {
		return "", true // still base64, so that the document decodes
	}
	text := l.Text
	if isTime(l) || l.Key == "id" && envelopeID.MatchString(text) {
		return "", false // digits that meet by chance
	}
	if phoneKey.MatchString(l.Key) {
		text = stars(text)
	} else {
		text = m.text(text)
	}
	return text, text != l.Text
}

// isTime reports whether a literal is a time where one is expected.
func isTime(l literal) bool {
	if l.Key == "time" || l.Key == "receivedtime" {
		l.Key = "timestamp"
	}
	_, _, ok := timeOf(l)
	return ok
}

// text hides the numbers in a text.
func (m masker) text(s string) string {
	if m.known != nil {
		s = m.known.ReplaceAllStringFunc(s, stars)
	}
	return international.ReplaceAllStringFunc(s, stars)
}

// stars replaces all digits but the last two.
func stars(s string) string {
	left := len(digit.FindAllString(s, -1)) - 2
	return digit.ReplaceAllStringFunc(s, func(d string) string {
		if left <= 0 {
			return d
		}
		left--
		return "*"
	})
}
