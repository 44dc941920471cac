package delivery

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// reader reads the fields of one body. What is there and cannot be read is left
// out and gives a warning, which names the field and never repeats its value.
type reader struct {
	object
	loc      *time.Location
	warnings []string
	unlisted int // warnings beyond the most that are kept
}

// mostWarnings bounds what a body full of mistakes can make of the envelope.
const mostWarnings = 50

func (r *reader) warn(field, problem string) {
	if len(r.warnings) == mostWarnings {
		r.unlisted++
		return
	}
	r.warnings = append(r.warnings, field+": "+problem)
}

// allWarnings returns the warnings, with a last one for those not listed.
func (r *reader) allWarnings() []string {
	if r.unlisted == 0 {
		return r.warnings
	}
	return append(r.warnings, fmt.Sprintf("warnings: %d more are not listed", r.unlisted))
}

// text reads a string. A number is taken as its digits, since Treble's schemas
// and examples do not agree on which is sent.
func (r *reader) text(path ...string) string { return r.textOf(r.at(path...), path...) }

func (r *reader) textOf(v []byte, path ...string) string {
	s, ok := scalar(v)
	if !ok {
		r.warn(strings.Join(path, "."), "not a string, left out")
	}
	return s
}

// scalar returns the text of a string or number, and "" for null or nothing.
func scalar(v []byte) (string, bool) {
	switch {
	case len(v) == 0 || isNull(v):
		return "", true
	case v[0] == '"':
		return unquote(v), true
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		return string(v), true
	}
	return "", false
}

var integer = regexp.MustCompile(`^(-?[0-9]+)(\.0+)?$`)

// id reads an identifier: a string, or an integer of any size, which is kept
// digit by digit. White space around it and an empty one count as nothing.
func (r *reader) id(path ...string) string { return r.idOf(r.at(path...), path...) }

func (r *reader) idOf(v []byte, path ...string) string {
	s, ok := identifier(v)
	if !ok {
		r.warn(strings.Join(path, "."), "neither a string nor an integer, left out")
	}
	return s
}

func identifier(v []byte) (string, bool) {
	if len(v) == 0 || isNull(v) {
		return "", true
	}
	if v[0] == '"' {
		return strings.TrimSpace(unquote(v)), true
	}
	if m := integer.FindSubmatch(v); m != nil {
		return string(m[1]), true
	}
	return "", false
}

// ids reads an array of identifiers.
func (r *reader) ids(path string) []string {
	var ids []string
	r.each(path, func(field string, v []byte) {
		if id := r.idOf(v, field); id != "" {
			ids = append(ids, id)
		}
	})
	return ids
}

// time reads a time, as RFC 3339 or in Treble's notation without a zone.
func (r *reader) time(path ...string) *time.Time { return r.timeOf(r.at(path...), path...) }

func (r *reader) timeOf(v []byte, path ...string) *time.Time {
	if len(v) == 0 || isNull(v) {
		return nil
	}
	if v[0] == '"' {
		if t, ok := parseTime(unquote(v), r.loc); ok {
			return &t
		}
	}
	r.warn(strings.Join(path, "."), "not a time, left out")
	return nil
}

// each calls f with each element of an array and the name of its place.
func (r *reader) each(path string, f func(field string, v []byte)) {
	r.eachOf(r.at(path), path, f)
}

func (r *reader) eachOf(v []byte, path string, f func(field string, v []byte)) {
	switch {
	case len(v) == 0 || isNull(v):
	case v[0] != '[':
		r.warn(path, "not an array, left out")
	default:
		for i, e := range elements(v) {
			f(path+"["+strconv.Itoa(i)+"]", e)
		}
	}
}

// child returns the object at v, or nil; anything else there gives a warning.
func (r *reader) child(v []byte, path string) object {
	if len(v) == 0 || isNull(v) {
		return nil
	}
	o := parseObject(v)
	if o == nil {
		r.warn(path, "not an object, left out")
	}
	return o
}

// textIn reads a list of texts that Treble wraps in objects, such as
// [{"text": "Sure"}]; bare strings are taken too.
func (r *reader) textsIn(v []byte, key, path string) []string {
	var texts []string
	r.eachOf(v, path, func(field string, e []byte) {
		if s := r.wrapped(e, key, field); s != "" {
			texts = append(texts, s)
		}
	})
	return texts
}

// wrapped reads a text that Treble wraps in an object, such as {"text": "Sure"}.
func (r *reader) wrapped(v []byte, key, path string) string {
	if o := parseObject(v); o != nil {
		return r.textOf(o[key], path, key)
	}
	return r.textOf(v, path)
}
