package connections

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func readAtOnce(b []byte) (h head, reason string) {
	reason = h.read(b)
	return h, reason
}

// FuzzHead: however the bytes of a request come, the verdict is one, and nothing that net/http takes as a
// request has more headers than it, or both lengths, without being found.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}",
		"POST / HTTP/1.1\nHost: h\ncontent-length:2\ntransfer-encoding:chunked\n\n",
		"POST / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("x:y\r\n", 101) + "\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
		"\x16\x03\x01", "\r\n\r\n", "",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		whole, want := readAtOnce(b)
		var h head
		got := ""
		for rest := b; len(rest) > 0 && got == ""; {
			n := min(max(size, 1), len(rest))
			got = h.read(rest[:n])
			rest = rest[n:]
		}
		if got != want || want == "" && h.ended != whole.ended {
			t.Errorf("in pieces of %d: %q, ended %t; at once: %q, ended %t", size, got, h.ended, want, whole.ended)
		}
		if want != "" || !whole.ended {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if n := len(r.Header); n > maxHeaderLines {
			t.Errorf("%d headers are taken", n)
		}
		// net/http takes the length away where the body comes in chunks.
		beginning, _, _ := bytes.Cut(bytes.ReplaceAll(bytes.ToLower(b), []byte("\r"), nil), []byte("\n\n"))
		if len(r.TransferEncoding) > 0 && bytes.Contains(beginning, []byte("\ncontent-length:")) {
			t.Errorf("a length and chunks are taken: %q", b)
		}
	})
}
