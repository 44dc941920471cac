package delivery

import (
	"math"
	"strconv"

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
	countryCode, cellphone := []string{"country_code"}, []string{"cellphone"}
	if !r.has("cellphone") && !r.has("country_code") {
		countryCode, cellphone = []string{"user", "country_code"}, []string{"user", "cellphone"}
	}
	c.CountryCode = r.text(countryCode...)
	c.Cellphone = r.text(cellphone...)
	if c.Cellphone != "" {
		var ok bool
		if c.Phone, ok = phone.Join(c.CountryCode, c.Cellphone); !ok {
			r.warn("gives no telephone number with its country code, phone is left out", cellphone...)
		} else if !phone.Agrees(c.CountryCode, c.Phone) {
			r.warn("has a country code of its own, which is not the country_code; phone has its own", cellphone...)
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
	if !v.isObject() && !v.isArray() {
		if !v.isNothing() {
			r.warn("not an array, left out", path)
		}
		return nil
	}
	if v.isFolded() {
		return nil
	}
	keys := schema.SessionKeys{}
	for key, v := range v.members() {
		r.setSessionKey(keys, key, v, "")
	}
	if v.isArray() {
		r.each(v, path, func(e value) { r.sessionKey(keys, e) })
	}
	return keys
}

func (r *reader) sessionKey(keys schema.SessionKeys, e value) {
	item := r.child(e)
	if !item.isObject() {
		return
	}
	key, ok := scalar(item.get("key"))
	if !ok || key == "" {
		r.warn("not a name, left out", "key")
		return
	}
	if _, twice := keys[key]; twice {
		r.warn("the same name again; the last value counts", "key")
	}
	kind, _ := scalar(item.get("type"))
	r.setSessionKey(keys, key, item.get("value"), kind)
}

func (r *reader) setSessionKey(keys schema.SessionKeys, key string, v value, kind string) {
	switch {
	case v.isNothing():
		keys[key] = schema.SessionValue{Null: true}
	case kind == "location":
		if l := location(v); l != nil {
			keys[key] = schema.SessionValue{Location: l}
			return
		}
		r.warn("not a location, kept as text", "value")
		fallthrough
	default:
		keys[key] = schema.SessionValue{Text: valueText(v)}
	}
}

// valueText is the value of a variable as text; what is neither text nor
// number keeps its JSON, since a variable may be anything.
func valueText(v value) string {
	if s, ok := scalar(v); ok {
		return s
	}
	return v.json()
}

// maxLocation bounds the values in a string that is read as a location.
const maxLocation = 100

// location reads an object with latitude and longitude, or a string that holds
// one, which is how a flow's variable comes. It returns nil if v is neither.
func location(v value) *schema.Location {
	if v.isString() {
		var inner document
		if !inner.scan(v.unquoted(), maxLocation) {
			return nil
		}
		v = inner.root()
	}
	lat, okLat := coordinate(v.get("latitude"))
	long, okLong := coordinate(v.get("longitude"))
	if !okLat || !okLong {
		return nil
	}
	address, _ := scalar(v.get("address"))
	return &schema.Location{Latitude: lat, Longitude: long, Address: address}
}

func coordinate(v value) (float64, bool) {
	s, ok := scalar(v)
	if !ok || s == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func (r *reader) question() *schema.Question {
	o := r.child(r.at("question"), "question")
	if !o.isObject() {
		return nil
	}
	return &schema.Question{
		Type:    r.textOf(o.get("type"), "question.type"),
		Text:    r.textOf(o.get("text"), "question.text"),
		Answers: r.textsIn(o.get("answers"), "text", "question.answers"),
	}
}

func (r *reader) classifiedAnswer() string {
	return r.wrapped(r.at("classified_answer"), "text", "classified_answer")
}
