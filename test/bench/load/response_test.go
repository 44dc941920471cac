package load

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestResponseReader(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
		refused = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length:0\r\nConnection: close\r\n\r\n"
	)
	large := "HTTP/1.1 413 Too Large\r\nContent-Length: 10000\r\n\r\n" + strings.Repeat("x", 10_000)
	for _, tc := range []struct {
		name   string
		in     string
		status []int
		closes bool // after the last
		err    error
	}{
		{"one", ok, []int{200}, false, io.EOF},
		{"two_at_once", ok + ok, []int{200, 200}, false, io.EOF},
		{"closes", ok + refused, []int{200, 503}, true, io.EOF},
		{"body_longer_than_the_buffer", large + ok, []int{413, 200}, false, io.EOF},
		{"broken_off_in_the_head", ok + ok[:30], []int{200}, false, io.ErrUnexpectedEOF},
		{"broken_off_in_the_body", ok[:len(ok)-1], nil, false, io.ErrUnexpectedEOF},
		{"no_length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", nil, false, errHead},
		{"no_http", "-ERR\r\n\r\n", nil, false, errHead},
		{"odd_status", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", nil, false, errHead},
		{"odd_length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n", nil, false, errHead},
		{"endless_head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000), nil, false, errTooLong},
	} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"whole":       func(r io.Reader) io.Reader { return r },
			"byte_a_time": iotest.OneByteReader,
		} {
			t.Run(tc.name+"/"+how, func(t *testing.T) {
				r := newResponseReader(reader(strings.NewReader(tc.in)))
				for i, want := range tc.status {
					status, closes, err := r.next()
					if err != nil || status != want {
						t.Fatalf("response %d: got %d, %v, want %d", i, status, err, want)
					}
					if last := i == len(tc.status)-1; closes != (tc.closes && last) {
						t.Errorf("response %d: got closes %v", i, closes)
					}
				}
				if status, _, err := r.next(); !errors.Is(err, tc.err) {
					t.Errorf("then: got %d, %v, want %v", status, err, tc.err)
				}
			})
		}
	}
}
