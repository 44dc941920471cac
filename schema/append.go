package schema

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// The functions below write what encoding/json would write of the types of this package
// (without its escapes for HTML), field by field and without reflection, which is most of
// what encoding/json takes its time for. A test fills every field of every kind and
// compares the two.

// object is a text to which the members of JSON objects are appended. A member without a
// value is left out, as omitempty does it. It is passed by value: a pointer to it would
// cost the garbage collector a write barrier for each member.
type object struct {
	b   []byte
	err error
}

// key appends a name, and the comma before it.
func (o object) key(name string) object {
	if last := o.b[len(o.b)-1]; last != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
	return o
}

// begin appends an object to be filled; end ends it.
func (o object) begin(name string) object {
	o = o.key(name)
	o.b = append(o.b, '{')
	return o
}

func (o object) end() object {
	o.b = append(o.b, '}')
	return o
}

func (o object) text(name, s string) object {
	if s == "" {
		return o
	}
	o = o.key(name)
	o.b = appendString(o.b, s)
	return o
}

func (o object) texts(name string, all []string) object {
	if len(all) == 0 {
		return o
	}
	o = o.key(name)
	o.b = append(o.b, '[')
	for i, s := range all {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendString(o.b, s)
	}
	o.b = append(o.b, ']')
	return o
}

// objects appends a list, which may be empty, of what element appends the members of.
func objects[T any](o object, name string, all []T, members func(*T, object) object) object {
	o = o.key(name)
	o.b = append(o.b, '[')
	for i := range all {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, '{')
		o = members(&all[i], o).end()
	}
	o.b = append(o.b, ']')
	return o
}

func (o object) time(name string, t *time.Time) object {
	if t == nil {
		return o
	}
	o = o.key(name)
	b, err := t.AppendText(append(o.b, '"'))
	if err != nil {
		o.err = err
		return o
	}
	o.b = append(b, '"')
	return o
}

func (o object) flag(name string, is bool) object {
	if is {
		o = o.key(name)
		o.b = append(o.b, "true"...)
	}
	return o
}

func (o object) bytes(name string, b []byte) object {
	if len(b) == 0 {
		return o
	}
	o = o.key(name)
	o.b = append(o.b, '"')
	o.b = base64.StdEncoding.AppendEncode(o.b, b)
	o.b = append(o.b, '"')
	return o
}

// location appends a value. encoding/json knows the notation of its numbers.
func (o object) location(l *Location) object {
	b, err := marshal(l)
	if err != nil {
		o.err = err
	}
	o.b = append(o.b, b...)
	return o
}

func (o object) sessionKeys(name string, keys SessionKeys) object {
	if keys == nil {
		return o
	}
	o = o.begin(name)
	names := make([]string, 0, 8) // not from the heap, if there are no more
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names)
	for i, key := range names {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = append(appendString(o.b, key), ':')
		switch v := keys[key]; {
		case v.Location != nil:
			o = o.location(v.Location)
		case v.Null:
			o.b = append(o.b, "null"...)
		default:
			o.b = appendString(o.b, v.Text)
		}
	}
	return o.end()
}

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	return append(appendEscaped(append(b, '"'), s), '"')
}

// appendEscaped appends what stands between the quotes of a JSON string. What is not
// UTF-8 becomes \ufffd; U+2028 and U+2029 are escaped, since older readers of JavaScript
// take them for the end of a line.
func appendEscaped(b []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		n, escape := 1, ""
		switch {
		case c < utf8.RuneSelf:
			escape = escapes[c]
		default:
			var r rune
			switch r, n = utf8.DecodeRuneInString(s[i:]); {
			case r == utf8.RuneError && n == 1:
				escape = `\ufffd`
			case r == '\u2028':
				escape = `\u2028`
			case r == '\u2029':
				escape = `\u2029`
			}
		}
		if escape != "" {
			b = append(append(b, s[from:i]...), escape...)
			from = i + n
		}
		i += n
	}
	return append(b, s[from:]...)
}

// plain are the ASCII characters that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// escapes holds the escape of each of the other characters.
var escapes = func() (t [utf8.RuneSelf]string) {
	for c := range byte(' ') {
		t[c] = fmt.Sprintf(`\u%04x`, c)
	}
	t['\b'], t['\f'], t['\n'], t['\r'], t['\t'] = `\b`, `\f`, `\n`, `\r`, `\t`
	t['"'], t['\\'] = `\"`, `\\`
	return t
}()
