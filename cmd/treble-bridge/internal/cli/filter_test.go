package cli_test

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
)

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{"2h": "2026-01-02T10:00:00Z", "2025-12-31T23:00:00-05:00": "2026-01-01T04:00:00Z"} {
		if got, err := cli.ParseSince(in, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s: got %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"-2h", "0s", "soon"} {
		if _, err := cli.ParseSince(in, now); err == nil {
			t.Errorf("%s: want an error", in)
		}
	}
}
