package delivery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays of a body may be nested. It is what
// common JSON readers of consumers take, with room for the envelope.
const MaxDepth = 100

// deeperThan reports whether brackets outside strings are nested deeper than
// max. It is asked before anything recurses, so b need not be valid.
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

// The functions below read JSON that encoding/json has found valid. They exist
// because encoding/json does not tell three things that we promise: the exact
// bytes of a value, a key that occurs twice, and half of a surrogate pair.

// object is the top level of a JSON object: the bytes of each value by its
// decoded key. Of a key that occurs twice it has the last value.
type object map[string][]byte

// parseObject returns the top level of v, or nil if v is not an object.
func parseObject(v []byte) object {
	if len(v) == 0 || v[0] != '{' {
		return nil
	}
	o := make(object)
	for key, value := range members(v) {
		o[key] = value
	}
	return o
}

// has reports whether the member is there and not null.
func (o object) has(key string) bool {
	v, ok := o[key]
	return ok && !isNull(v)
}

// at follows a path of keys down nested objects, and returns nil where there
// is nothing or null.
func (o object) at(path ...string) []byte {
	for i, key := range path {
		if !o.has(key) {
			return nil
		}
		if i == len(path)-1 {
			return o[key]
		}
		o = parseObject(o[key])
	}
	return nil
}

func isNull(v []byte) bool { return len(v) > 0 && v[0] == 'n' }

// members yields the decoded keys and the values of an object in their order.
func members(obj []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := skipSpace(obj, 1); obj[i] != '}'; {
			keyEnd := stringEnd(obj, i)
			key := unquote(obj[i:keyEnd])
			start := skipSpace(obj, skipSpace(obj, keyEnd)+len(":"))
			end := valueEnd(obj, start)
			if !yield(key, obj[start:end]) {
				return
			}
			i = skipSpace(obj, end)
			if obj[i] == ',' {
				i = skipSpace(obj, i+1)
			}
		}
	}
}

// elements yields the positions and the values of an array.
func elements(arr []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for n, i := 0, skipSpace(arr, 1); arr[i] != ']'; n++ {
			end := valueEnd(arr, i)
			if !yield(n, arr[i:end]) {
				return
			}
			i = skipSpace(arr, end)
			if arr[i] == ',' {
				i = skipSpace(arr, i+1)
			}
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the index behind the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd returns the index behind the value that begins at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = stringEnd(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(b) && !endsScalar(b[i]) {
		i++
	}
	return i
}

func endsScalar(c byte) bool {
	return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\t' || c == '\r'
}

// unquote decodes a JSON string. Half of a surrogate pair becomes U+FFFD.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return "" // not reached: the string was found valid
	}
	return s
}

// loneSurrogate reports whether a string of the document has an escape such as
// \ud800 without its other half. encoding/json takes it; stricter readers
// refuse the whole document.
func loneSurrogate(doc []byte) bool {
	for {
		i := bytes.IndexByte(doc, '\\')
		if i < 0 {
			return false
		}
		doc = doc[i:]
		if doc[1] != 'u' {
			doc = doc[2:]
			continue
		}
		switch c := hex4(doc[2:6]); {
		case c < 0xd800 || c > 0xdfff:
			doc = doc[6:]
		case c < 0xdc00 && len(doc) >= 12 && doc[6] == '\\' && doc[7] == 'u' && hex4(doc[8:12])&0xfc00 == 0xdc00:
			doc = doc[12:]
		default:
			return true
		}
	}
}

func hex4(digits []byte) (n int) {
	for _, c := range digits {
		n <<= 4
		switch {
		case c <= '9':
			n += int(c - '0')
		default:
			n += int(c|0x20-'a') + 10
		}
	}
	return n
}

// duplicateKeys calls report with the path of each key that an object of the
// document has twice, until report returns false. It reads the document once,
// however deep it is.
func duplicateKeys(doc []byte, report func(path string) bool) {
	var frames []frame
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '{':
			frames = append(frames, frame{object: true, expectKey: true})
		case '[':
			frames = append(frames, frame{})
		case '}', ']':
			frames = frames[:len(frames)-1]
		case ',':
			f := &frames[len(frames)-1]
			f.index++
			f.expectKey = f.object
		case '"':
			end := stringEnd(doc, i)
			if n := len(frames); n > 0 && frames[n-1].expectKey {
				if frames[n-1].sees(unquote(doc[i:end])) && !report(path(frames)) {
					return
				}
			}
			i = end - 1
		}
	}
}

// frame is an object or array that is open while a document is read.
type frame struct {
	object    bool
	expectKey bool // the next string is a key
	key       string
	seen      map[string]struct{}
	index     int
}

// sees notes a key and reports whether the object has had it before.
func (f *frame) sees(key string) (twice bool) {
	if f.seen == nil {
		f.seen = make(map[string]struct{})
	}
	_, twice = f.seen[key]
	f.seen[key] = struct{}{}
	f.key, f.expectKey = key, false
	return twice
}

// path writes the way to the place that is read, such as messages[3].text.
func path(frames []frame) string {
	var b strings.Builder
	for i := range frames {
		f := &frames[i]
		switch {
		case !f.object:
			fmt.Fprintf(&b, "[%d]", f.index)
		case b.Len() > 0:
			b.WriteString("." + clip(f.key))
		default:
			b.WriteString(clip(f.key))
		}
	}
	return b.String()
}

// clip shortens a key of the customer's for a warning.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	i := most
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}
