package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// responseReader reads HTTP/1.1 responses that have a Content-Length, one after
// another. It looks at the status, the length and whether the connection stays
// open, and at nothing else: the load generator shares the processors with what
// it measures.
type responseReader struct {
	src        io.Reader
	buf        []byte
	start, end int // what is read and not used yet
}

var (
	errHead    = errors.New("response: not HTTP/1.1 with a Content-Length")
	errTooLong = errors.New("response: longer than the buffer")

	headEnd       = []byte("\r\n\r\n")
	lineEnd       = []byte("\r\n")
	contentLength = []byte("content-length")
	connection    = []byte("connection")
	closing       = []byte("close")
)

func newResponseReader(src io.Reader) *responseReader {
	return &responseReader{src: src, buf: make([]byte, 4096)}
}

// next reads one response and reports its status, and whether the server will
// close the connection after it.
func (r *responseReader) next() (status int, closes bool, err error) {
	head := -1
	for {
		if head = bytes.Index(r.buf[r.start:r.end], headEnd); head >= 0 {
			break
		}
		if err := r.more(); err != nil {
			return 0, false, err
		}
	}
	status, length, closes, err := parseHead(r.buf[r.start : r.start+head])
	if err != nil {
		return 0, false, err
	}
	r.start += head + len(headEnd)
	for r.end-r.start < length {
		length -= r.end - r.start
		r.start, r.end = 0, 0
		if err := r.more(); err != nil {
			return 0, false, unexpected(err)
		}
	}
	r.start += length
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	return status, closes, nil
}

// more reads what is there behind what is not used yet.
func (r *responseReader) more() error {
	if r.end == len(r.buf) {
		if r.start == 0 {
			return errTooLong
		}
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if r.end > r.start {
		err = unexpected(err)
	}
	return err
}

// unexpected is the error of a read inside a response.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHead takes a status line and header lines apart.
func parseHead(head []byte) (status, length int, closes bool, err error) {
	line, rest, _ := bytes.Cut(head, lineEnd)
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, false, fmt.Errorf("%w: %q", errHead, line)
	}
	status, ok := parseInt(line[9:12])
	if !ok {
		return 0, 0, false, fmt.Errorf("%w: %q", errHead, line)
	}
	length = -1
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, lineEnd)
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, contentLength):
			if length, ok = parseInt(bytes.TrimSpace(value)); !ok {
				return 0, 0, false, fmt.Errorf("%w: %q", errHead, line)
			}
		case bytes.EqualFold(name, connection):
			closes = bytes.EqualFold(bytes.TrimSpace(value), closing)
		}
	}
	if length < 0 {
		return 0, 0, false, fmt.Errorf("%w: %q", errHead, head)
	}
	return status, length, closes, nil
}

// parseInt is strconv.Atoi without a string.
func parseInt(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}
