package quarantine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// However much a request says, the headers stay under JetStream's 64 KiB.
func TestHeadersAreBounded(t *testing.T) {
	d := natstest.Rejected("x")
	d.Path = strings.Repeat("\xff", 100_000)
	for i := range 5000 {
		d.Header[fmt.Sprintf("X-%d", i)] = []string{strings.Repeat("ñ", 5000)}
		d.Rejection.Violations = append(d.Rejection.Violations, delivery.Violation{Field: "[" + fmt.Sprint(i) + "].session_id", Problem: "missing 😀"})
	}
	m := encode("treble", d)
	if size := m.Size() - int64(len(m.Data)); size > 60<<10 {
		t.Errorf("headers of %d bytes, want at most 60 KiB", size)
	}
	var violations []delivery.Violation
	if err := json.Unmarshal([]byte(m.Header.Get(schema.HeaderViolations)), &violations); err != nil {
		t.Fatal(err)
	}
	if last := violations[len(violations)-1].Problem; !strings.HasPrefix(last, "and ") {
		t.Errorf("last violation = %q, want the number of those left out", last)
	}
}

func FuzzHeaderSafe(f *testing.F) {
	for _, s := range []string{"", "plain", "a\r\nb", "\xff\x00", "100%", strings.Repeat("é", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := headerSafe(s, 100)
		if len(got) > 100 {
			t.Errorf("%d bytes, want at most 100", len(got))
		}
		for _, c := range []byte(got) {
			if c < 0x20 || c > 0x7e {
				t.Errorf("%q holds byte %#x", got, c)
			}
		}
	})
}
