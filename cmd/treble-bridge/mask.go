package main

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// mask hides phone numbers in a JSON document and leaves every other byte as
// it is. Hidden are: the values of keys that name a phone (phone, cellphone and
// the like, and session variables of such names); the same numbers wherever
// else they stand in the document, however they are spelled; and whatever says
// that it is an international number (see phone.Set). A hidden digit is a *, the
// last two stay, so that two people can still be told apart. A number that holds
// a phone becomes a string, and raw_base64, the bytes in disguise, is emptied.
//
// A document that is not JSON is replaced as a whole: nobody can tell what is
// in it.
func mask(doc []byte) []byte {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return []byte(`"masked: not JSON"`)
	}
	var m masker
	m.collect(tree)
	out, err := editLiterals(doc, m.edit)
	if err != nil {
		return []byte(`"masked: not JSON"`)
	}
	return out
}

// masker knows the numbers of one document.
type masker struct{ known phone.Set }

var (
	phoneKey   = regexp.MustCompile(`(?i)phone|mobile|celular|m[oó]vil|tel[eé]fono|telefone|whatsapp|msisdn|^tel$|^cel$|^fono$|^wa_?id$`)
	envelopeID = regexp.MustCompile(`^[a-z2-7]{26}$`)
)

// collect gathers every phone that a key names.
func (m *masker) collect(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			m.collect(item)
		}
	case map[string]any:
		// A session variable is {"key": name, "value": value}.
		if name, ok := v["key"].(string); ok && phoneKey.MatchString(name) {
			m.add(v["value"])
		}
		for key, item := range v {
			if phoneKey.MatchString(key) {
				m.add(item)
			} else {
				m.collect(item)
			}
		}
	}
}

// add gathers all that stands under the name of a phone.
func (m *masker) add(v any) {
	switch v := v.(type) {
	case string:
		m.known.Add(v)
	case json.Number:
		m.known.Add(v.String())
	case []any:
		for _, item := range v {
			m.add(item)
		}
	case map[string]any:
		for _, item := range v {
			m.add(item)
		}
	}
}

func (m *masker) edit(l literal) (string, bool) {
	if l.Key == "raw_base64" {
		return "", true // still base64, so that the document decodes
	}
	text := l.Text
	if isTime(l) || l.Key == "id" && envelopeID.MatchString(text) {
		return "", false // digits that meet by chance
	}
	if phoneKey.MatchString(l.Key) {
		text = phone.HideAll(text)
	} else {
		text = m.known.Hide(text)
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
