package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/schema"
)

// MaxEvents is how many events one array may hold.
const MaxEvents = 1000

// Parser turns the bodies of requests into deliveries. Its zero value is ready
// for use, and it may be used by several goroutines at once.
type Parser struct {
	Location *time.Location // of times that name no zone; nil is UTC
	Kinds    []schema.Kind  // kinds to accept, beside the probe of the doctor command; empty: all
}

// Parse reads a body. It never fails: what it cannot take is a Delivery with a
// Rejection. An array is taken or rejected as a whole. Parse does not change
// body, and the events share its memory. The time it takes grows linearly with
// the body's length.
func (p Parser) Parse(body []byte, o Origin) Delivery {
	d := Delivery{Origin: o, Body: body}
	values, array, rejection := split(body)
	if rejection != nil {
		d.Rejection = rejection
		return d
	}
	var violations []Violation
	reason := schema.ReasonMissing
	for i, value := range values {
		position := -1
		if array {
			position = i
		}
		e, missing := p.event(value, position, o)
		switch {
		case missing != nil:
			violations = append(violations, at(position, missing)...)
		case !p.accepts(e.Kind):
			if len(violations) == 0 {
				reason = schema.ReasonKindForbidden
			}
			violations = append(violations, at(position, []Violation{{Problem: fmt.Sprintf("the kind %s is not accepted by this source", e.Kind)}})...)
		}
		d.Events = append(d.Events, e)
	}
	if len(violations) > 0 {
		d.Events = nil
		d.Rejection = &Rejection{Reason: reason, Violations: capped(violations)}
	}
	return d
}

// accepts reports whether a kind is to be taken. The probe always is: it tells the
// operator of the bridge whether the others would come through.
func (p Parser) accepts(k schema.Kind) bool {
	return len(p.Kinds) == 0 || slices.Contains(p.Kinds, k) || k == schema.KindBridgeProbe
}

// at puts the position in an array in front of the fields.
func at(position int, violations []Violation) []Violation {
	if position < 0 {
		return violations
	}
	for i := range violations {
		field := fmt.Sprintf("[%d]", position)
		if f := violations[i].Field; f != "" {
			field += "." + f
		}
		violations[i].Field = field
	}
	return violations
}

// capped bounds what a reply and a header have to hold.
func capped(violations []Violation) []Violation {
	const most = 20
	if len(violations) <= most {
		return violations
	}
	return append(violations[:most:most], Violation{Problem: fmt.Sprintf("%d more are not listed", len(violations)-most)})
}

// split returns the one object of a body, or those of an array.
func split(body []byte) (values [][]byte, array bool, _ *Rejection) {
	// A byte order mark is no part of JSON, but nothing is gained by losing
	// an event over it.
	text := bytes.Trim(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	switch {
	case deeperThan(text, MaxDepth):
		return nil, false, reject(schema.ReasonTooDeep, fmt.Sprintf("objects and arrays are nested deeper than %d", MaxDepth))
	case !json.Valid(text):
		return nil, false, reject(schema.ReasonNotJSON, notJSON(text))
	case text[0] == '{':
		return [][]byte{text}, false, nil
	case text[0] == '[':
		for i, e := range elements(text) {
			switch {
			case e[0] != '{':
				return nil, true, reject(schema.ReasonNotObject, fmt.Sprintf("element %d of the array is no object; send an object, or an array of objects", i))
			case i == MaxEvents:
				return nil, true, reject(schema.ReasonTooMany, fmt.Sprintf("the array has more than %d events; send it in parts", MaxEvents))
			}
			values = append(values, e)
		}
		if len(values) > 0 {
			return values, true, nil
		}
		return nil, true, reject(schema.ReasonNotObject, "the array is empty; send an object, or an array of objects")
	}
	return nil, false, reject(schema.ReasonNotObject, "the body is JSON, but neither an object nor an array of objects")
}

func reject(r schema.Reason, problem string) *Rejection {
	return &Rejection{Reason: r, Violations: []Violation{{Problem: problem}}}
}

// notJSON says where a text stops being JSON, without repeating any of it.
func notJSON(text []byte) string {
	if len(text) == 0 {
		return "the body is empty; send a JSON object"
	}
	var ignored json.RawMessage
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(text, &ignored), &syntax) && syntax.Error() != "unexpected end of JSON input" {
		return fmt.Sprintf("the body is not JSON: the mistake is at byte %d", syntax.Offset)
	}
	return "the body is not JSON: it ends too early"
}

// event reads one object. What it reports as missing would identify the event.
func (p Parser) event(value []byte, position int, o Origin) (schema.Event, []Violation) {
	r := &reader{loc: p.Location, warnings: slices.Clone(o.Warnings)}
	if r.loc == nil {
		r.loc = time.UTC
	}
	text, exact := validText(value)
	if exact != nil {
		r.warn("raw", "the body is not valid UTF-8; U+FFFD stands for what is not, and raw_base64 has the bytes")
	}
	if loneSurrogate(text) {
		r.warn("raw", "a string has half of a surrogate pair, which strict JSON readers refuse; normalised fields have U+FFFD")
	}
	duplicateKeys(text, func(path string) bool {
		r.warn(path, "the key occurs twice; the last value counts")
		return r.unlisted == 0
	})
	r.object = parseObject(text)
	f := r.form(o.Path)

	common := r.common()
	if missing := f.unidentified(r, &common); missing != nil {
		return schema.Event{}, missing
	}
	for _, field := range f.expected {
		if r.at(strings.Split(field, ".")...) == nil {
			r.warn(field, "missing")
		}
	}
	payload, when := f.build(r)
	if strings.ContainsFunc(common.SessionID, forbidden) {
		r.warn("session_id", "has control characters or noncharacters, which the envelope's subject may not have: it is left out")
	}
	common.Raw, common.RawBase64 = text, exact
	common.Test = o.TestRun != ""
	common.Warnings = r.allWarnings()
	*payload.Base() = common

	subject := common.SessionID
	if strings.ContainsFunc(subject, forbidden) {
		subject = ""
	}
	e := schema.Event{
		Subject: subject, Source: o.Source, Kind: f.kind, ReceivedTime: o.Received, Time: o.Received,
		TestRun: o.TestRun, Data: payload,
	}
	if when != nil {
		e.Time = *when
	}
	e.ID, e.DedupeKey = r.identity(e, position, value)
	return e, nil
}

// forbidden reports whether CloudEvents forbids a character in an attribute: controls, and
// what Unicode calls noncharacters. Surrogates are not among the runes of a string.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

// validText returns value with U+FFFD in place of what is not UTF-8, and value
// itself as the second result if there was such.
func validText(value []byte) (text, exact []byte) {
	if utf8.Valid(value) {
		return value, nil
	}
	return bytes.ToValidUTF8(value, []byte("\ufffd")), value
}

// form finds out the form of the body: by its own marks, or, if it is of a flow
// and has none, by the path.
func (r *reader) form(path string) *form {
	hint := formOfPath(path)
	f := r.overview()
	if f == nil {
		f = classify(r.object)
	}
	switch {
	case hint == nil || hint.kind == f.kind:
	case f == formFlow && hint != formHSM && hint != formFailed: // those are never of a flow
		r.warn("path", fmt.Sprintf("the body does not say its kind; the path names %s", hint.kind))
		return hint
	default:
		r.warn("path", fmt.Sprintf("the path names %s, the body is of %s", hint.kind, f.kind))
	}
	return f
}

// overview recognises {"event": "message_read", "data": {…}}, the form that
// Treble's overview page shows, and makes data the object to read.
func (r *reader) overview() *form {
	if r.has("event_type") || !isString(r.object["event"]) {
		return nil
	}
	data := parseObject(r.object["data"])
	f := formOfName(unquote(r.object["event"]))
	if f == nil || data == nil {
		return nil
	}
	for _, key := range []string{"event_id", "timestamp"} {
		if !data.has(key) && r.has(key) {
			data[key] = r.object[key]
		}
	}
	r.object = data
	// One name stands for the three forms of a closed conversation: let the
	// payload say which it is.
	if own := classify(data); own.kind == f.kind {
		return own
	}
	return f
}

// unidentified returns what is missing to tell which event this is.
func (f *form) unidentified(r *reader, c *schema.Common) []Violation {
	var names []string
	for _, g := range f.identify {
		if g.given(r, c) {
			return nil
		}
		names = append(names, g.name)
	}
	var missing []Violation
	for _, name := range names {
		problem := fmt.Sprintf("missing, empty, or neither a string nor an integer; %s needs it", f.kind)
		if len(names) > 1 {
			problem = fmt.Sprintf("missing, empty, or neither a string nor an integer; %s needs one of %s", f.kind, strings.Join(names, ", "))
		}
		missing = append(missing, Violation{Field: name, Problem: problem})
	}
	return missing
}

// identity returns the id of an event and what makes it.
func (r *reader) identity(e schema.Event, position int, value []byte) (string, schema.DedupeKey) {
	switch {
	case e.Data.Base().EventID != "":
		return contentID(e.Source, e.Kind, position, value), schema.DedupeEventID
	case hasOwnTime(r.object, r.loc):
		return contentID(e.Source, e.Kind, position, value), schema.DedupeContent
	}
	return uniqueID(), schema.DedupeNone
}
