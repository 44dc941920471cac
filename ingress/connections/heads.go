package connections

import "bytes"

// maxHeaderLines bounds the headers of a request. A header costs net/http some 80 bytes
// beyond its own: thousands of tiny ones would make a connection expensive within maxHeaders.
const maxHeaderLines = 100

// head reads along as the request line and the headers of a request come, before net/http has
// made anything of them. Its zero value is ready for the first request. It is at the end of the
// headers until reset. Of TLS it can read nothing, and does not try.
type head struct {
	lines      int  // that are complete
	ended      bool // by an empty line
	length     bool // there is a Content-Length
	encoding   bool // there is a Transfer-Encoding
	unreadable bool // the connection speaks TLS

	line  [len("transfer-encoding:")]byte // how the line that is not complete begins
	begun int                             // bytes of the line that is not complete
}

// read takes the next bytes of the connection, and returns what is wrong with the request, or
// "".
func (h *head) read(p []byte) string {
	if len(p) > 0 && h.lines == 0 && h.begun == 0 && p[0] == tlsBegin[0] {
		h.unreadable = true
	}
	for len(p) > 0 && !h.ended && !h.unreadable {
		end := bytes.IndexByte(p, '\n')
		piece := p
		if end >= 0 {
			piece, p = p[:end], p[end+1:]
		} else {
			p = nil
		}
		if h.begun < len(h.line) {
			copy(h.line[h.begun:], piece)
		}
		h.begun += len(piece)
		if end < 0 {
			break
		}
		if what := h.lineEnds(); what != "" {
			return what
		}
	}
	return ""
}

func (h *head) lineEnds() string {
	line := h.line[:min(h.begun, len(h.line))]
	h.begun = 0
	if len(line) == 0 || len(line) == 1 && line[0] == '\r' {
		// net/http steps over no empty line before a request, so it is the end in any case.
		h.ended = true
		return ""
	}
	if h.lines++; h.lines > maxHeaderLines+1 { // and the request line
		return reasonTooManyHeaders
	}
	switch line[0] | 0x20 {
	case 'c':
		h.length = h.length || hasName(line, "content-length:")
	case 't':
		h.encoding = h.encoding || hasName(line, "transfer-encoding:")
	}
	if h.length && h.encoding {
		return reasonAmbiguousLength
	}
	return ""
}

func hasName(line []byte, name string) bool {
	return len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}

// reset prepares for the next request of the connection.
func (h *head) reset() { *h = head{unreadable: h.unreadable} }
