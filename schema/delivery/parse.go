package delivery

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/treble-bridge/treble-bridge/schema"
)

// MaxEvents bounds the events in an array.
const MaxEvents = 1000

// Parser turns the bodies of requests into deliveries. Its zero value is ready
// for use, and it may be used by several goroutines at once.
type Parser struct {
	Location *time.Location // of times that name no zone; nil is UTC
	Kinds    []schema.Kind  // kinds to accept, beside the probe of the doctor command; empty: all

	// MaxElements bounds the values of an event that are read; 0: all. The lists and objects of one
	// that has more are not normalised, with a warning; all of it is in raw.
	MaxElements int
}

// Parse reads a body. It never fails: what it cannot take is a Delivery with a
// Rejection. An array is taken or rejected as a whole. The time it takes grows linearly
// with the body's length. The events share the memory of body, which must not change
// while they are in use; Parse does not change it.
func (p Parser) Parse(body []byte, o Origin) Delivery {
	d := Delivery{Origin: o, Body: body}
	s := scratches.Get().(*scratch)
	defer s.release()
	values, array, rejection := s.split(body, p.MaxElements)
	if rejection != nil {
		d.Rejection = rejection
		return d
	}
	d.Events = make([]schema.Event, 0, len(values))
	var violations []Violation
	reason := schema.ReasonMissing
	for i, value := range values {
		position := -1
		if array {
			position = i
			s.body.scan(view(value), p.MaxElements)
		}
		e, missing := p.event(s, value, position, o)
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

// scratch has the buffers of Parse, which it uses again.
type scratch struct {
	body   document // as it came; of an array, the event that is being read
	fixed  document // with U+FFFD in place of what is not UTF-8
	values [][]byte
	head   []byte
	hash   hash.Hash
}

var scratches = sync.Pool{New: func() any { return &scratch{hash: sha256.New()} }}

// release gives back what is small enough to be kept.
func (s *scratch) release() {
	clear(s.values)
	s.values = s.values[:0]
	s.body.release()
	s.fixed.release()
	scratches.Put(s)
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

// split scans a body, and returns its one object, or those of its array.
func (s *scratch) split(body []byte, maxElements int) (values [][]byte, array bool, _ *Rejection) {
	// A byte order mark is no part of JSON, but nothing is gained by losing
	// an event over it.
	text := body
	if strings.HasPrefix(view(body), "\ufeff") {
		text = body[len("\ufeff"):]
	}
	text = bytes.Trim(text, " \t\r\n")
	most := maxElements
	if bytes.HasPrefix(text, []byte("[")) {
		most = MaxEvents + 2 // the array, its elements, and one too many; each is read by itself later
	}
	if !s.body.scanElements(view(text), most) {
		if deeperThan(text, MaxDepth) {
			return nil, false, reject(schema.ReasonTooDeep, fmt.Sprintf("objects and arrays are nested deeper than %d", MaxDepth))
		}
		return nil, false, reject(schema.ReasonNotJSON, notJSON(text))
	}
	root := s.body.root()
	switch {
	case root.isObject():
		s.values = append(s.values, text)
		return s.values, false, nil
	case !root.isArray():
		return nil, false, reject(schema.ReasonNotObject, "the body is JSON, but neither an object nor an array of objects")
	}
	for i, e := range root.elements() {
		switch {
		case !e.isObject():
			return nil, true, reject(schema.ReasonNotObject, fmt.Sprintf("element %d of the array is no object; send an object, or an array of objects", i))
		case i == MaxEvents:
			return nil, true, reject(schema.ReasonTooMany, fmt.Sprintf("the array has more than %d events; send it in parts", MaxEvents))
		}
		n := s.body.nodes[e.n]
		s.values = append(s.values, text[n.start:n.end:n.end])
	}
	if len(s.values) == 0 {
		return nil, true, reject(schema.ReasonNotObject, "the array is empty; send an object, or an array of objects")
	}
	return s.values, true, nil
}

// deeperThan reports whether brackets outside strings are nested deeper than max, in
// a text that need not be JSON.
func deeperThan(b []byte, max int) bool {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > max {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
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

// event reads one object, which s.body has. What it reports as missing would identify
// the event.
func (p Parser) event(s *scratch, text []byte, position int, o Origin) (schema.Event, []Violation) {
	r := &reader{loc: p.Location, warnings: slices.Clone(o.Warnings)}
	if r.loc == nil {
		r.loc = time.UTC
	}
	d, exact := &s.body, []byte(nil)
	if d.invalidUTF8 {
		text, exact = bytes.ToValidUTF8(text, []byte("\ufffd")), text
		d = &s.fixed
		d.scan(view(text), p.MaxElements)
		r.warn("the body is not valid UTF-8; U+FFFD stands for what is not, and raw_base64 has the bytes", "raw")
	}
	r.warnOf(d, p.MaxElements)
	r.fields = d.root()
	f := r.form(o.Path)

	common := r.common()
	if missing := f.unidentified(r, &common); missing != nil {
		return schema.Event{}, missing
	}
	for _, field := range f.expected {
		if r.at(field.path...).isNothing() {
			r.warn("missing", field.name)
		}
	}
	payload, when := f.build(r)
	subject := common.SessionID
	if strings.ContainsFunc(subject, forbidden) {
		r.warn("has control characters or noncharacters, which the envelope's subject may not have: it is left out", "session_id")
		subject = ""
	}
	common.Raw, common.RawBase64 = text, exact
	common.Test = o.TestRun != ""
	common.Warnings = r.allWarnings()
	*payload.Base() = common

	e := schema.Event{
		Subject: subject, Source: o.Source, Kind: f.kind, ReceivedTime: o.Received, Time: o.Received,
		TestRun: o.TestRun, Data: payload,
	}
	if when != nil {
		e.Time = *when
	}
	switch {
	case common.EventID != "":
		e.ID, e.DedupeKey = s.contentID(e.Source, e.Kind, position, &s.body), schema.DedupeEventID
	case r.hasOwnTime():
		e.ID, e.DedupeKey = s.contentID(e.Source, e.Kind, position, &s.body), schema.DedupeContent
	default:
		e.ID, e.DedupeKey = uniqueID(), schema.DedupeNone
	}
	return e, nil
}

// warnOf warns of what is JSON in a document and yet is not read as it stands.
func (r *reader) warnOf(d *document, maxElements int) {
	if d.loneSurrogate {
		r.warn("a string has half of a surrogate pair, which strict JSON readers refuse; normalised fields have U+FFFD", "raw")
	}
	for _, n := range d.folded {
		name := "raw"
		if n > 0 {
			name = cmp.Or(clip(d.key(&d.nodes[n])), name)
		}
		r.warn(fmt.Sprintf("the body has more than %d values: not all that is in here is read, raw has it", maxElements), name)
	}
	if d.twice {
		d.duplicates(func(path string) bool {
			r.warn("the key occurs twice; the last value counts", path)
			return r.unlisted == 0
		})
	}
}

// forbidden reports whether CloudEvents forbids a character in an attribute: controls, and
// what Unicode calls noncharacters. Surrogates are not among the runes of a string.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe
}

// form finds out the form of the body: by its own marks, or, if it is of a flow
// and has none, by the path.
func (r *reader) form(path string) *form {
	hint := formOfPath(path)
	f := r.overview()
	if f == nil {
		f = classify(r.fields)
	}
	switch {
	case hint == nil || hint.kind == f.kind:
	case f == formFlow && hint != formHSM && hint != formFailed: // those are never of a flow
		r.warn(fmt.Sprintf("the body does not say its kind; the path names %s", hint.kind), "path")
		return hint
	default:
		r.warn(fmt.Sprintf("the path names %s, the body is of %s", hint.kind, f.kind), "path")
	}
	return f
}

// overview recognises {"event": "message_read", "data": {…}}, the form that
// Treble's overview page shows, and makes data the object to read.
func (r *reader) overview() *form {
	event := r.fields.get("event")
	if !event.isString() || r.fields.has("event_type") {
		return nil
	}
	data := r.fields.get("data")
	f := formOfName(event.unquoted())
	if f == nil || !data.isObject() {
		return nil
	}
	r.fields, r.around = data, r.fields
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
