package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
)

func TestMaskRefused(t *testing.T) {
	for body, want := range map[string]string{
		`{"phone":"3161234567","n":"3161234567"}`:   `{"phone":"********67","n":"********67"}`,
		`{"unheard_of":3161234567}`:                 `{"unheard_of":"********67"}`,
		`{"x":"call (316) 123-4567"}`:               `{"x":"call (***) ***-**67"}`,
		`[{"3161234567":1}]`:                        `[{"********67":1}]`,
		`"3161234567"`:                              `"********67"`,
		`{"read_at":"2026-01-02 03:04:05","n":123}`: `{"read_at":"2026-01-02 03:04:05","n":123}`,
		`{"phone":"3161234567"`:                     `{"phone":"********67"`,
		"3\x001\x006\x001\x002\x003\x004\x00":       "*\x00*\x00*\x00*\x00*\x003\x004\x00",
		`{"a":"\u0033161234567}`:                    `{"a":"********67}`,
	} {
		if got := string(redact.MaskRefused([]byte(body))); got != want {
			t.Errorf("%q: got %q, want %q", body, got, want)
		}
	}
	for line, want := range map[string]string{
		"X-Phone: +57 316":       "X-Phone: +** *16",
		"X-Other: 573161234567":  "X-Other: **********67",
		"Content-Length: 123456": "Content-Length: 123456",
	} {
		if got := redact.MaskHeader(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func FuzzMaskRefused(f *testing.F) {
	for _, s := range []string{`{"phone":"3161234567"}`, `{"a":`, "\xff\xfe3161234567", `[1,"+573161234567"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out := redact.MaskRefused(body)
		if json.Valid(body) != json.Valid(out) {
			t.Errorf("%q became %q", body, out)
		}
		if strings.Contains(string(out), "3161234567") {
			t.Errorf("%q became %q", body, out)
		}
	})
}
