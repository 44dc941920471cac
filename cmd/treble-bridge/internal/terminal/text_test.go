package terminal_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\tc":           "a b c",
		"\x1b[2Jx\x07":      `\u001b[2Jx\u0007`,
		"\u009b31m\u202ex":  `\u009b31m\u202ex`,
		"👩\u200d🚀 ¿qué?":    "👩\u200d🚀 ¿qué?",
		"zero\u200bwidth\r": `zero\u200bwidth\u000d`,
	} {
		if got := terminal.Printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
