//go:build attack

package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// length is the duration of an attack that has no end of its own.
const length = 8 * time.Second

// TestAttackMemory: no attack takes more memory than the bound, nor keeps good requests from their answers.
func TestAttackMemory(t *testing.T) {
	tiny := tinyHeaders(8000)
	for _, tt := range []attack{
		nothing,
		{"tiny-headers", func(_ *testing.T, addr string) {
			hold(addr, 2000, length, "POST /webhook HTTP/1.1\r\n"+tiny, time.Second, "y:\n")
		}},
		{"large-headers", func(_ *testing.T, addr string) {
			hold(addr, 2000, length, "POST /webhook HTTP/1.1\r\n"+strings.Repeat("X: "+strings.Repeat("y", 72)+"\r\n", 99), time.Second, "y")
		}},
		{"silent-connections", func(_ *testing.T, addr string) { hold(addr, 3000, length, "", time.Second, "") }},
		{"slow-bodies", func(_ *testing.T, addr string) {
			hold(addr, 1000, length, head("Content-Length: 1000\r\n")+`{"a":"`, time.Second, "x")
		}},
		{"slow-bodies-30kB", func(_ *testing.T, addr string) {
			hold(addr, 1000, length, head("Content-Length: 100000\r\n")+`{"a":"`+strings.Repeat("x", 30<<10), time.Second, "x")
		}},
		{"idle-connections", func(_ *testing.T, addr string) {
			hold(addr, 2000, length, head("Content-Length: 2\r\n")+"{}", time.Second, "")
		}},
		{"401-flood", func(_ *testing.T, addr string) {
			during(length, 64, func() {
				raw(addr, "POST /webhook HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer wrong\r\nContent-Length: 2\r\n\r\n", "{}")
			})
		}},
		{"messages-10MB", large(4, `{"event_type":"session.close","event_id":"e%d","messages":[`, "{},", `{}]}`)},
		{"keys-10MB", large(4, `{"session_id":"s%d","user_session_keys":[`, "{},", `{}]}`)},
		{"zeros-10MB", large(8, `[`, "0,", `0]`)},
		{"events-10MB", large(8, `[`, "{},", `{}]`)},
		{"member-10MB", large(4, `{"session_id":"s%d","x":[`, "[[[]]],", `0]}`)},
		{"text-10MB", large(64, `{"session_id":"s%d","read_at":"2026-01-01 09:00:02","x":"`, "x", `"}`)},
		{"no-utf-8-10MB", large(8, `{"session_id":"s%d","x":"`, "\xffx", `"}`)},
		{"messages-60kB", func(_ *testing.T, addr string) {
			body := `{"event_type":"session.close","event_id":"e","messages":[` + strings.Repeat("{},", 20_000) + `{}]}`
			during(length, 200, func() { post(addr, body) })
		}},
		{"a-thousand-events-3kB", func(_ *testing.T, addr string) {
			body := "[" + strings.Repeat("{},", 999) + "{}]"
			during(length, 64, func() { post(addr, body) })
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			under(t, bridge.Serve(t), tt.run)
		})
	}
}

// large posts bodies just below max_body, n at once and some times over.
func large(n int, begin, middle, end string) func(*testing.T, string) {
	return func(t *testing.T, addr string) {
		const size = 99 * (10 << 20) / 100
		filling := strings.Repeat(middle, (size-len(begin)-len(end)-10)/len(middle))
		statuses := make([]map[int]int, n)
		together(n, func(i int) {
			statuses[i] = map[int]int{}
			for j := range max(2, 16/n) {
				first := begin
				if strings.Contains(begin, "%d") {
					first = fmt.Sprintf(begin, i*100+j)
				}
				statuses[i][post(addr, first, filling, end)]++ // in parts: to join them would keep the processor busy
			}
		})
		sum := map[int]int{}
		for _, s := range statuses {
			for status, n := range s {
				sum[status] += n
			}
		}
		t.Logf("answered: %v", sum)
		if sum[0] > 0 {
			t.Errorf("%d were not answered", sum[0])
		}
	}
}

// tinyHeaders returns n different headers of nothing.
func tinyHeaders(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	for i := range n {
		b.WriteByte(letters[i%len(letters)])
		b.WriteByte(letters[i/len(letters)%len(letters)])
		b.WriteByte(letters[i/len(letters)/len(letters)%len(letters)])
		b.WriteString(":\n")
	}
	return b.String()
}
