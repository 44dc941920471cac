package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// reader reads the fields of one body. What is there and cannot be read is left
// out and gives a warning, which names the field and never repeats its value.
type reader struct {
	fields   value  // the object that has them
	around   value  // what an overview form has around it, see overview
	list     string // name of the array of which an element is being read; "" if there is none
	index    int    // of that element
	hasTime  bool   // a time of the event's own was read
	loc      *time.Location
	warnings []string
	unlisted int // warnings beyond the most that are kept
}

// mostWarnings bounds what a body full of mistakes can make of the envelope.
const mostWarnings = 50

// warn notes a problem with a field. Of an element of a list the path begins there.
func (r *reader) warn(problem string, path ...string) {
	if len(r.warnings) == mostWarnings {
		r.unlisted++
		return
	}
	if r.list != "" {
		path = append([]string{r.list + "[" + strconv.Itoa(r.index) + "]"}, path...)
	}
	r.warnings = append(r.warnings, strings.Join(path, ".")+": "+problem)
}

// allWarnings returns the warnings, with a last one for those not listed.
func (r *reader) allWarnings() []string {
	if r.unlisted == 0 {
		return r.warnings
	}
	return append(r.warnings, fmt.Sprintf("warnings: %d more are not listed", r.unlisted))
}

// at follows a path of keys. Null on the way or at its end is nothing.
func (r *reader) at(path ...string) value {
	v := r.fields.at(path...)
	if v.isNothing() && len(path) == 1 && lent(path[0]) {
		return r.around.at(path...)
	}
	return v
}

// lent are the fields that an overview form may have outside of its data.
func lent(key string) bool { return key == "event_id" || key == "timestamp" }

// has reports whether a field is there and not null.
func (r *reader) has(key string) bool { return !r.at(key).isNothing() }

// text reads a string. A number is taken as its digits, since Treble's schemas
// and examples do not agree on which is sent.
func (r *reader) text(path ...string) string { return r.textOf(r.at(path...), path...) }

func (r *reader) textOf(v value, path ...string) string {
	s, ok := scalar(v)
	if !ok {
		r.warn("not a string, left out", path...)
	}
	return s
}

// scalar returns the text of a string or number, and "" for null or nothing.
func scalar(v value) (string, bool) {
	switch {
	case v.isNothing():
		return "", true
	case v.isString():
		return v.unquoted(), true
	case v.isNumber():
		return v.json(), true
	}
	return "", false
}

// id reads an identifier: a string, or an integer of any size, which is kept
// digit by digit. White space around it and an empty one count as nothing.
func (r *reader) id(path ...string) string { return r.idOf(r.at(path...), path...) }

func (r *reader) idOf(v value, path ...string) string {
	s, ok := identifier(v)
	if !ok {
		r.warn("neither a string nor an integer, left out", path...)
	}
	return s
}

func identifier(v value) (string, bool) {
	switch {
	case v.isNothing():
		return "", true
	case v.isString():
		return strings.TrimSpace(v.unquoted()), true
	case v.isNumber():
		integer, fraction, decimal := strings.Cut(v.json(), ".")
		if (!decimal || strings.Trim(fraction, "0") == "") && !strings.ContainsAny(integer, "eE") {
			return integer, true
		}
	}
	return "", false
}

// ids reads an array of identifiers.
func (r *reader) ids(path string) []string {
	var ids []string
	r.each(r.at(path), path, func(v value) {
		if id := r.idOf(v); id != "" {
			ids = append(ids, id)
		}
	})
	return ids
}

// time reads a time of the event, as RFC 3339 or in Treble's notation without a zone.
func (r *reader) time(path ...string) *time.Time {
	t := r.timeOf(r.at(path...), path...)
	r.hasTime = r.hasTime || t != nil
	return t
}

func (r *reader) timeOf(v value, path ...string) *time.Time {
	if v.isNothing() {
		return nil
	}
	if v.isString() {
		if t, ok := parseTime(v.unquoted(), r.loc); ok {
			return &t
		}
	}
	r.warn("not a time, left out", path...)
	return nil
}

// each calls f with each element of an array. Meanwhile the paths of warnings begin at
// the element.
func (r *reader) each(v value, path string, f func(v value)) {
	switch {
	case v.isNothing():
	case !v.isArray():
		r.warn("not an array, left out", path)
	default:
		r.list = path
		for i, e := range v.elements() {
			r.index = i
			f(e)
		}
		r.list = ""
	}
}

// child returns the object at v, or nothing; anything else there gives a warning.
func (r *reader) child(v value, path ...string) value {
	if v.isObject() {
		return v
	}
	if !v.isNothing() {
		r.warn("not an object, left out", path...)
	}
	return value{}
}

// textsIn reads a list of texts that Treble wraps in objects, such as
// [{"text": "Sure"}]; bare strings are taken too.
func (r *reader) textsIn(v value, key, path string) []string {
	var texts []string
	r.each(v, path, func(e value) {
		if s := r.wrapped(e, key); s != "" {
			texts = append(texts, s)
		}
	})
	return texts
}

// wrapped reads a text that Treble wraps in an object, such as {"text": "Sure"}.
func (r *reader) wrapped(v value, key string, path ...string) string {
	if v.isObject() {
		return r.textOf(v.get(key), append(path[:len(path):len(path)], key)...)
	}
	return r.textOf(v, path...)
}
