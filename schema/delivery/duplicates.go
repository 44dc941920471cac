package delivery

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// duplicates calls report with the path of each key that an object of the document has
// twice, until report returns false.
func (d *document) duplicates(report func(path string) bool) {
	var way []place
	for i := range d.nodes {
		n := &d.nodes[i]
		for len(way) > 0 && uint32(i) >= way[len(way)-1].end {
			way = way[:len(way)-1]
		}
		if len(way) > 0 {
			p := &way[len(way)-1]
			p.index++
			if p.seen != nil {
				p.key = d.key(n)
				if _, twice := p.seen[p.key]; twice && !report(path(way)) {
					return
				}
				p.seen[p.key] = struct{}{}
			}
		}
		switch d.text[n.start] {
		case '{':
			way = append(way, place{end: n.next, seen: map[string]struct{}{}})
		case '[':
			way = append(way, place{end: n.next, index: -1})
		}
	}
}

// place is the position of the reading in an object or array.
type place struct {
	end   uint32 // of the object or array
	index int
	key   string
	seen  map[string]struct{} // nil in an array
}

// path writes the way to the place that is read, such as messages[3].text.
func path(way []place) string {
	var b strings.Builder
	for i := range way {
		p := &way[i]
		switch {
		case p.seen == nil:
			fmt.Fprintf(&b, "[%d]", p.index)
		case b.Len() > 0:
			b.WriteString("." + clip(p.key))
		default:
			b.WriteString(clip(p.key))
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
