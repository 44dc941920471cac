package delivery

import (
	"slices"
	"strings"
	"unicode/utf16"
)

// scanner reads a document from the beginning to the end, and never goes back. It knows
// the grammar of RFC 8259 as encoding/json does; a fuzz target holds the two together.
type scanner struct {
	*document
	text     string
	i        int // the next byte
	most     int // values to index
	depth    int
	open     [MaxDepth]uint32 // the objects and arrays around it
	object   [MaxDepth]bool   // which of them are objects
	elements bool             // the text is an array of which only the elements are wanted
	unread   int              // depth of the object or array of which the rest is not indexed; 0: all is
	escapes  int              // in strings so far
	nonASCII bool
}

// run reports whether the text is one value.
func (s *scanner) run() bool {
	s.space()
	if !s.value(0, 0) {
		return false
	}
	for s.depth > 0 {
		s.space()
		if s.i == len(s.text) {
			return false
		}
		c := s.text[s.i]
		s.i++
		object := s.object[s.depth-1]
		switch {
		case c == ',':
			if s.space(); !s.next(object) {
				return false
			}
		case c == '}' && object:
			if s.close() && !s.twice {
				s.twice = s.keyTwice(s.open[s.depth])
			}
		case c == ']' && !object:
			s.close()
		default:
			return false
		}
	}
	s.space()
	return s.i == len(s.text)
}

// next reads a member of an object or an element of an array, of which it opens what is
// itself an object or array.
func (s *scanner) next(object bool) bool {
	if !object {
		return s.value(0, 0)
	}
	if s.i == len(s.text) || s.text[s.i] != '"' {
		return false
	}
	key, escapes := s.i+1, s.escapes
	if !s.string() {
		return false
	}
	s.escapedKey = s.escapedKey || s.escapes > escapes
	keyEnd := s.i - 1
	if s.space(); s.i == len(s.text) || s.text[s.i] != ':' {
		return false
	}
	s.i++
	s.space()
	return s.value(key, keyEnd)
}

func (s *scanner) value(key, keyEnd int) bool {
	if s.i == len(s.text) {
		return false
	}
	if s.unread > 0 {
		return s.skip()
	}
	if len(s.nodes) == s.most {
		s.fold()
		return s.value(key, keyEnd)
	}
	start, n := s.i, len(s.nodes)
	s.nodes = append(s.nodes, node{key: uint32(key), keyEnd: uint32(keyEnd), start: uint32(start), next: uint32(n) + 1})
	if c := s.text[s.i]; c == '{' || c == '[' {
		return s.begin(uint32(n), c == '{')
	}
	ok := s.scalar()
	s.nodes[n].end = uint32(s.i)
	return ok
}

// skip reads a value that is not indexed.
func (s *scanner) skip() bool {
	if c := s.text[s.i]; c == '{' || c == '[' {
		return s.begin(0, c == '{')
	}
	return s.scalar()
}

// scalar reads a value that is neither an object nor an array.
func (s *scanner) scalar() bool {
	switch s.text[s.i] {
	case '"':
		return s.string()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

// fold makes room in an index that is full: it goes down from the outermost object or array to the
// largest one in it, as long as that has an eighth of all that is indexed, and what it ends at loses
// what is in it. The outermost one keeps what it has, and only the rest of it is not indexed: without
// its first fields it would be unknown what the text is.
func (s *scanner) fold() {
	for depth := 0; ; depth++ {
		at := s.open[depth]
		largest, size := s.largestIn(at, depth)
		switch {
		case size*8 < len(s.nodes):
			if depth > 0 {
				s.nodes = s.nodes[:at+1]
			}
			s.unread = depth + 1
			s.folded = append(s.folded, at)
			return
		case depth+1 < s.depth && s.open[depth+1] == largest:
			continue // it is open, and the next value belongs there
		}
		s.dropChildren(largest)
		return
	}
}

// largestIn returns what has most of what is in an open object or array.
func (s *scanner) largestIn(at uint32, depth int) (largest uint32, size int) {
	for i := at + 1; int(i) < len(s.nodes); {
		end := s.nodes[i].next
		if depth+1 < s.depth && s.open[depth+1] == i {
			end = uint32(len(s.nodes))
		}
		if n := int(end - i - 1); n > size {
			largest, size = i, n
		}
		i = end
	}
	return largest, size
}

// dropChildren removes from the index the values in an object or array that has ended.
func (s *scanner) dropChildren(at uint32) {
	end := s.nodes[at].next
	gone := end - at - 1
	s.nodes = append(s.nodes[:at+1], s.nodes[end:]...)
	s.nodes[at].next = at + 1
	for i := range s.nodes[at+1:] {
		s.nodes[int(at)+1+i].next -= gone
	}
	for _, list := range [][]uint32{s.open[:s.depth], s.folded} {
		for i := range list {
			if list[i] > at {
				list[i] -= gone
			}
		}
	}
	s.folded = append(s.folded, at)
}

// begin opens an object or array, and reads the first that is in it.
func (s *scanner) begin(n uint32, object bool) bool {
	if s.depth == MaxDepth {
		return false
	}
	s.open[s.depth], s.object[s.depth] = n, object
	s.depth++
	if s.elements && s.depth == 2 && s.unread == 0 {
		s.unread = 2
	}
	s.i++
	s.space()
	if s.i < len(s.text) && s.text[s.i] == closing(object) {
		s.i++
		s.close()
		return true
	}
	return s.next(object)
}

func closing(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// close ends an object or array, and reports whether all that is in it is indexed.
func (s *scanner) close() bool {
	s.depth--
	complete := s.unread == 0
	if !complete && s.depth+1 > s.unread {
		return false // it is in one of which the rest is not indexed
	}
	s.unread = 0
	n := &s.nodes[s.open[s.depth]]
	n.end, n.next = uint32(s.i), uint32(len(s.nodes))
	return complete
}

// space steps over white space.
func (s *scanner) space() {
	from := s.i
	for s.i < len(s.text) && isSpace(s.text[s.i]) {
		s.i++
	}
	if s.i > from {
		if s.gap == 0 {
			s.compact = slices.Grow(s.compact, len(s.text))
		}
		s.compact = append(s.compact, s.text[s.gap:from]...)
		s.gap = s.i
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *scanner) literal(word string) bool {
	if !strings.HasPrefix(s.text[s.i:], word) {
		return false
	}
	s.i += len(word)
	return true
}

func (s *scanner) number() bool {
	if s.text[s.i] == '-' {
		s.i++
	}
	switch {
	case s.i < len(s.text) && s.text[s.i] == '0':
		s.i++
	case !s.digits():
		return false
	}
	if s.i < len(s.text) && s.text[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.text) && s.text[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.text) && (s.text[s.i] == '+' || s.text[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

// digits reads one or more.
func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.text) && '0' <= s.text[s.i] && s.text[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

// string reads a string from its first quote to its last.
func (s *scanner) string() bool {
	text, i := s.text, s.i+1
	for i < len(text) {
		c := text[i]
		if plain[c] {
			i++
			continue
		}
		switch {
		case c == '"':
			s.i = i + 1
			return true
		case c >= 0x80:
			s.nonASCII = true
			i++
		case c == '\\':
			s.escapes++
			n := s.escape(text[i:])
			if n == 0 {
				return false
			}
			i += n
		default: // a control character
			return false
		}
	}
	return false
}

// plain are the ASCII letters that mean themselves in a string.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// escape returns the length of the escape that a text begins with, 0 if it is none.
func (s *scanner) escape(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		unit := unitAt(text)
		switch {
		case unit < 0:
			return 0
		case !utf16.IsSurrogate(unit):
			return 6
		case isPair(unit, unitAt(text[6:])):
			return 12
		}
		s.loneSurrogate = true
		return 6
	}
	return 0
}

// keyTwice reports whether an object has a key twice.
func (s *scanner) keyTwice(object uint32) bool {
	const few = 16 // so many are faster compared with each other
	d := s.document
	members := 0
	for i, end := object+1, d.nodes[object].next; i < end; i = d.nodes[i].next {
		key := d.text[d.nodes[i].key:d.nodes[i].keyEnd]
		for j := object + 1; j < i && members < few; j = d.nodes[j].next {
			if d.text[d.nodes[j].key:d.nodes[j].keyEnd] == key {
				return true
			}
		}
		members++
	}
	if members <= few && !d.escapedKey {
		return false
	}
	seen := make(map[string]struct{}, members)
	for i, end := object+1, d.nodes[object].next; i < end; i = d.nodes[i].next {
		seen[d.key(&d.nodes[i])] = struct{}{}
	}
	return len(seen) < members
}
