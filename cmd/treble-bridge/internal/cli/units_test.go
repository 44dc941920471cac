package cli_test

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 999 * time.Millisecond: "999ms", 1999 * time.Millisecond: "1.9s", 59*time.Second + 999*time.Millisecond: "59.9s",
		time.Minute: "1m0s", 59*time.Minute + 59*time.Second: "59m59s", 3*time.Hour + 5*time.Minute + 59*time.Second: "3h5m",
		50 * time.Hour: "2d2h", -2 * time.Second: "-2.0s",
	} {
		if got := cli.Span(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}
