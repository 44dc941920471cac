package delivery

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/phone"
)

// common reads what every kind may have, under whichever name it comes.
func (r *reader) common() schema.Common {
	c := schema.Common{
		SessionID:      r.firstID([]string{"session_id"}, []string{"session", "external_id"}, []string{"external_id"}, []string{"session_external_id"}),
		ConversationID: r.id("conversation_id"),
		EventID:        r.id("event_id"),
		SessionKeys:    r.sessionKeys(),
	}
	in := []string(nil)
	if !r.has("cellphone") && !r.has("country_code") {
		in = []string{"user"}
	}
	number := append(in[:len(in):len(in)], "cellphone")
	c.CountryCode = r.text(append(in[:len(in):len(in)], "country_code")...)
	c.Cellphone = r.text(number...)
	if c.Cellphone != "" {
		var ok bool
		if c.Phone, ok = phone.Join(c.CountryCode, c.Cellphone); !ok {
			r.warn(strings.Join(number, "."), "gives no telephone number with its country code, phone is left out")
		}
	}
	return c
}

// firstID returns the first identifier that is there.
func (r *reader) firstID(paths ...[]string) string {
	for _, path := range paths {
		if id := r.id(path...); id != "" {
			return id
		}
	}
	return ""
}

// sessionKeys reads the variables of the session: an array of key, value and
// type; a plain object of values is taken too.
func (r *reader) sessionKeys() schema.SessionKeys {
	const path = "user_session_keys"
	v := r.at(path)
	if len(v) == 0 {
		return nil
	}
	if v[0] == '{' {
		keys := schema.SessionKeys{}
		for key, value := range members(v) {
			r.setSessionKey(keys, key, value, "", path)
		}
		return keys
	}
	if v[0] != '[' {
		r.warn(path, "not an array, left out")
		return nil
	}
	keys := schema.SessionKeys{}
	for i, e := range elements(v) {
		field := path + "[" + strconv.Itoa(i) + "]"
		item := r.child(e, field)
		if item == nil {
			continue
		}
		key, ok := scalar(item["key"])
		if !ok || key == "" {
			r.warn(field+".key", "not a name, left out")
			continue
		}
		if _, twice := keys[key]; twice {
			r.warn(field+".key", "the same name again; the last value counts")
		}
		kind, _ := scalar(item["type"])
		r.setSessionKey(keys, key, item["value"], kind, field)
	}
	return keys
}

func (r *reader) setSessionKey(keys schema.SessionKeys, key string, v []byte, kind, field string) {
	switch {
	case len(v) == 0 || isNull(v):
		keys[key] = schema.SessionValue{Null: true}
	case kind == "location":
		if l := location(v); l != nil {
			keys[key] = schema.SessionValue{Location: l}
			return
		}
		r.warn(field+".value", "not a location, kept as text")
		fallthrough
	default:
		keys[key] = schema.SessionValue{Text: valueText(v)}
	}
}

// valueText is the value of a variable as text; what is neither text nor
// number keeps its JSON, since a variable may be anything.
func valueText(v []byte) string {
	if s, ok := scalar(v); ok {
		return s
	}
	return string(v)
}

// location reads an object with latitude and longitude, or a string that holds
// one, which is how a flow's variable comes. It returns nil if v is neither.
func location(v []byte) *schema.Location {
	if isString(v) {
		inner := []byte(unquote(v))
		if deeperThan(inner, MaxDepth) || !json.Valid(inner) {
			return nil
		}
		v = inner[skipSpace(inner, 0):]
	}
	o := parseObject(v)
	lat, okLat := coordinate(o["latitude"])
	long, okLong := coordinate(o["longitude"])
	if !okLat || !okLong {
		return nil
	}
	address, _ := scalar(o["address"])
	return &schema.Location{Latitude: lat, Longitude: long, Address: address}
}

func coordinate(v []byte) (float64, bool) {
	s, ok := scalar(v)
	if !ok || s == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func (r *reader) question() *schema.Question {
	o := r.child(r.at("question"), "question")
	if o == nil {
		return nil
	}
	return &schema.Question{
		Type:    r.textOf(o["type"], "question.type"),
		Text:    r.textOf(o["text"], "question.text"),
		Answers: r.textsIn(o["answers"], "text", "question.answers"),
	}
}

func (r *reader) classifiedAnswer() string {
	return r.wrapped(r.at("classified_answer"), "text", "classified_answer")
}
