// Package redact hides telephone numbers in what commands show, and escapes what could steer a
// terminal, without changing another byte.
package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// Mask hides phone numbers in a JSON document and leaves every other byte as
// it is. Hidden are: the values of keys that name a phone (phone, cellphone and
// the like, and session variables of such names); the same numbers wherever
// else they stand in the document, however they are spelled; and every other
// number that is long enough to be a telephone number, since people write those
// of others into their messages as they like. A hidden digit is a *, the last two
// stay, so that two people can still be told apart. A number that may be a phone
// becomes a string, and raw_base64, the bytes in disguise, is emptied.
//
// What is known to be something else stays: times, the places on a map, and the
// ids of events, flows and the like, but for numbers of which it is known that they
// are phones. Of a session, whose id may be a phone, see masker.session.
//
// A document that is not JSON is replaced as a whole: it has no keys that say what its
// values are.
func Mask(doc []byte) []byte {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	_ = dec.Decode(&tree) // EditLiterals has the same error
	m := masker{id: envelopeID(tree)}
	m.collect(tree)
	out, err := EditLiterals(doc, m.edit)
	if err != nil {
		return []byte(`"masked: not JSON"`)
	}
	return out
}

// masker masks the numbers of one document.
type masker struct {
	known phone.Set
	id    string // of the envelope, if the document is one
}

var phoneKey = regexp.MustCompile(`(?i)phone|mobile|celular|m[oó]vil|tel[eé]fono|telefone|whatsapp|msisdn|^tel$|^cel$|^fono$|^wa_?id$`)

// envelopeID is the id of an event, which the bridge gives it, so that digits meet in it
// by chance.
func envelopeID(tree any) string {
	envelope, _ := tree.(map[string]any)
	id, _ := envelope["id"].(string)
	if _, ok := envelope["specversion"]; !ok {
		return ""
	}
	return id
}

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
			text, _ := item.(string)
			switch {
			case timeKey(key) && wholeTime.MatchString(text): // such as phone_seen_at
			case phoneKey.MatchString(key):
				m.add(item)
			default:
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

func (m *masker) edit(l Literal) (string, bool) {
	if l.Key == "raw_base64" {
		return "", true // still base64, so that the document decodes
	}
	text := l.Text
	switch {
	case isTime(l) && timeKey(l.Key), l.Key == "id" && text == m.id:
		return "", false
	case phoneKey.MatchString(l.Key):
		text = phone.HideAll(text)
	case isTime(l), isCoordinate(l), slices.Contains(otherIDs, l.Key):
		text = m.known.Hide(text)
	case slices.Contains(sessionIDs, l.Key):
		text = m.session(text)
	default:
		text = m.known.HideLong(text)
	}
	return text, text != l.Text
}

// sessionIDs are the keys of a session's id, and otherIDs those of other ids that Treble
// and HubSpot give, which are no phones however long they are.
var (
	sessionIDs = []string{"subject", "session_id", "external_id", "session_external_id"}
	otherIDs   = []string{"event_id", "conversation_id", "affected_conversation_ids", "business_scope_id", "company_id", "hubspot_deal_id", "hubspot_contact_id"}
)

// session hides the phone that a session's id may be, or have in it. Ids that are
// mostly letters stay.
func (m *masker) session(id string) string {
	hidden := m.known.Hide(id)
	if hidden == id && IsOpaque(id) {
		return id
	}
	if hidden = m.known.HideLong(id); hidden == id {
		return id
	}
	return sessionTag(id) + hidden
}

// IsOpaque reports whether an id is a long hexadecimal one with so many letters that
// its digits meet by chance, as in most ids of Treble.
func IsOpaque(id string) bool {
	const shortest = 24
	digits, letters := 0, 0
	for _, c := range strings.ToLower(id) {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			letters++
		case c != '-':
			return false
		}
	}
	return digits+letters >= shortest && letters >= (digits+letters)/4
}

// sessionTag returns a tag that distinguishes a session from others whose masked ids look the same.
// It is the same wherever the session stands in the output of a command, and another one in the
// next: a phone is found out from what stays the same by trying all there are.
func sessionTag(id string) string {
	h := hmac.New(sha256.New, tagKey())
	h.Write([]byte(id))
	tag := []byte("#")
	for _, b := range h.Sum(nil)[:tagLetters] {
		tag = append(tag, 'g'+b%16) // no digits, which would be taken for those of a phone
	}
	return string(tag)
}

// tagLetters of 4 bits leave room for the thousands of sessions of an output.
const tagLetters = 6

var tagKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails, by its documentation
	return key
})

// wholeTime is a text that is a day or a time and nothing else.
var wholeTime = regexp.MustCompile(`^(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])` +
	`(?:[Tt ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?: ?(?:[Zz]|UTC|[+-]\d\d(?::?\d\d)?))?)?$`)

// timeKey reports whether a key is that of a time.
func timeKey(key string) bool {
	return key == "time" || key == "receivedtime" || key == "timestamp" || strings.HasSuffix(key, "_at")
}

// isTime reports whether a literal is a day or a time.
func isTime(l Literal) bool { return !l.Number && wholeTime.MatchString(l.Text) }

// isCoordinate reports whether a literal is of a place on a map. It has to stay a number.
func isCoordinate(l Literal) bool {
	if l.Key != "latitude" && l.Key != "longitude" {
		return false
	}
	degrees, err := strconv.ParseFloat(l.Text, 64)
	return err == nil && math.Abs(degrees) <= 180
}
