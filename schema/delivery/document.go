package delivery

import (
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth bounds the nesting of objects and arrays in a body. It is what
// common JSON readers of consumers take, with room for the envelope.
const MaxDepth = 100

// document is a JSON text with an index of its values, which one scan makes. The scan
// also finds out what encoding/json does not tell: a key that occurs twice in an object,
// half of a surrogate pair, and where there is white space that means nothing.
//
// A document can be scanned anew; it keeps its memory. Its values are valid until then,
// but the strings that were read from them are not touched: they share the memory of the
// text or have their own.
type document struct {
	text  string
	nodes []node // in the order of the text: an object or array, and then what is in it

	folded []uint32 // the objects and arrays of which not all is in nodes, since there are too many

	compact       []byte // the text without white space, where there is any
	twice         bool   // an object has a key twice
	escapedKey    bool   // a key has an escape
	loneSurrogate bool   // a string has an escape such as \ud800 without its other half
	invalidUTF8   bool

	gap int // up to here the text is in compact
}

// node is a value. Texts of 4 GiB and more do not come: ingress.max_body is far below.
type node struct {
	key, keyEnd uint32 // the member's name, between its quotes; 0 if it is no member
	start, end  uint32
	next        uint32 // of the node behind this one and all that is in it
}

// view returns the bytes as a string without copying them. Whoever gives a body to Parse
// does not change it later; its events share its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf reverses view. The result must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// scan reads a text, and indexes at most so many values of it, 0 for all. The bool is false if it
// is not JSON, or nested deeper than MaxDepth.
func (d *document) scan(text string, most int) bool { return d.read(text, most, false) }

// scanElements reads a text as scan does, but of an array it indexes the elements only, and nothing
// that is in them.
func (d *document) scanElements(text string, most int) bool {
	return d.read(text, most, strings.HasPrefix(text, "["))
}

func (d *document) read(text string, most int, elements bool) bool {
	if most == 0 {
		most = math.MaxInt
	}
	*d = document{text: text, nodes: d.nodes[:0], folded: d.folded[:0], compact: d.compact[:0]}
	const nodeEvery = 32 // bytes, in what Treble sends
	d.nodes = slices.Grow(d.nodes, min(len(text)/nodeEvery, most))
	s := scanner{document: d, text: text, most: most, elements: elements}
	if !s.run() {
		return false
	}
	if s.nonASCII {
		d.invalidUTF8 = !utf8.ValidString(d.text)
	}
	if d.gap > 0 {
		d.compact = append(d.compact, d.text[d.gap:]...)
	}
	return true
}

// release forgets the text, and what memory is too much to be kept.
func (d *document) release() {
	const most = 4 << 20 // bytes of each
	d.text = ""
	if uintptr(cap(d.nodes))*unsafe.Sizeof(node{}) > most {
		d.nodes = nil
	}
	if cap(d.compact) > most {
		d.compact = nil
	}
}

// root is the value that the document is.
func (d *document) root() value { return value{d, 0} }

// withoutSpace returns the text without the white space that means nothing.
func (d *document) withoutSpace() []byte {
	if d.gap == 0 {
		return bytesOf(d.text)
	}
	return d.compact
}

// key returns the decoded name of a member.
func (d *document) key(n *node) string {
	return unescaped(d.text[n.key:n.keyEnd])
}

// value is a value of a document. The zero value stands for one that is not there.
type value struct {
	d *document
	n uint32
}

// kind is the first byte of a value, which tells what it is: one of {["tfn- and the
// digits; 0 if there is nothing.
func (v value) kind() byte {
	if v.d == nil {
		return 0
	}
	return v.d.text[v.d.nodes[v.n].start]
}

func (v value) isObject() bool { return v.kind() == '{' }
func (v value) isArray() bool  { return v.kind() == '[' }
func (v value) isString() bool { return v.kind() == '"' }
func (v value) isNumber() bool { k := v.kind(); return k == '-' || '0' <= k && k <= '9' }

// isNothing reports whether a value is not there, or null.
func (v value) isNothing() bool {
	k := v.kind()
	return k == 0 || k == 'n'
}

// json returns the value as it stands in the text.
func (v value) json() string {
	if v.d == nil {
		return ""
	}
	n := &v.d.nodes[v.n]
	return v.d.text[n.start:n.end]
}

// unquoted returns what a string says. Half of a surrogate pair becomes U+FFFD.
func (v value) unquoted() string {
	s := v.json()
	return unescaped(s[1 : len(s)-1])
}

// isFolded reports whether what is in an object or array is not all indexed.
func (v value) isFolded() bool { return v.d != nil && slices.Contains(v.d.folded, v.n) }

// get returns the member of an object, the last one if the key occurs twice. There is
// nothing in what is no object.
func (v value) get(key string) (found value) {
	if !v.isObject() {
		return value{}
	}
	d := v.d
	for i, end := v.n+1, d.nodes[v.n].next; i < end; i = d.nodes[i].next {
		n := &d.nodes[i]
		if d.text[n.key:n.keyEnd] != key && (!d.escapedKey || d.key(n) != key) {
			continue
		}
		found = value{d, i}
		if !d.twice {
			return found
		}
	}
	return found
}

// at follows a path of keys down nested objects. Null on the way or at its end is nothing.
func (v value) at(path ...string) value {
	for _, key := range path {
		if v = v.get(key); v.isNothing() {
			return value{}
		}
	}
	return v
}

// has reports whether the member is there and not null.
func (v value) has(key string) bool { return !v.get(key).isNothing() }

// len returns the number of an array's elements.
func (v value) len() (n int) {
	for range v.elements() {
		n++
	}
	return n
}

// members yields the names and the values of an object in their order, also those of
// keys that occur again. What is no object has none.
func (v value) members() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		if !v.isObject() {
			return
		}
		for i, end := v.n+1, v.d.nodes[v.n].next; i < end; i = v.d.nodes[i].next {
			if !yield(v.d.key(&v.d.nodes[i]), value{v.d, i}) {
				return
			}
		}
	}
}

// elements yields the positions and the values of an array.
func (v value) elements() iter.Seq2[int, value] {
	return func(yield func(int, value) bool) {
		if !v.isArray() {
			return
		}
		position := 0
		for i, end := v.n+1, v.d.nodes[v.n].next; i < end; i = v.d.nodes[i].next {
			if !yield(position, value{v.d, i}) {
				return
			}
			position++
		}
	}
}
