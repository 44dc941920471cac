//go:build soak

package soak

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestSoakReplayMillion replays a million events into a stream and to a file, and
// wants no more memory for it than for a tenth of them, and half as much again.
func TestSoakReplayMillion(t *testing.T) {
	const events = 1_000_000
	b := natstest.Start(t)
	fillStream(t, b, events)
	for _, target := range [][]string{nil, {"--to-file", t.TempDir() + "/events.jsonl"}} {
		few, _ := replayPeak(t, b, append([]string{"--to-seq", fmt.Sprint(events / 10)}, target...))
		if target != nil {
			target[1] += "-all"
		}
		many, took := replayPeak(t, b, target)
		if many > few*3/2 {
			t.Errorf("%v: %d events take %d KiB, %d take %d KiB", target, events, many, events/10, few)
		}
		t.Logf("%v: %d events: %d KiB at most (%d events: %d KiB), %.0f/s", target, events, many, events/10, few, events/took.Seconds())
	}
	s, err := b.JS.Stream(t.Context(), "TREBLE_REPLAY")
	if err != nil || s.CachedInfo().State.Msgs != events+events/10 {
		t.Errorf("got %d replayed events, %v", s.CachedInfo().State.Msgs, err)
	}
}

// replayPeak runs the command and returns the most memory that it had, in KiB. The
// resource usage of an ended process would not do: it includes that of the process
// that started it.
func replayPeak(t *testing.T, b *natstest.Server, args []string) (peak int64, took time.Duration) {
	t.Helper()
	began := time.Now()
	p := bridge.Start(t, exec.Command(bridge.Binary(t), append([]string{"replay", "--yes", "--nats-url", b.ClientURL()}, args...)...))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.Ended():
			if code := p.ExitCode(); code != 0 || peak == 0 {
				t.Fatalf("replay %v: exit code %d, peak %d", args, code, peak)
			}
			return peak, time.Since(began)
		case <-tick.C:
			peak = max(peak, p.Memory("VmHWM")>>10)
		}
	}
}

func fillStream(t *testing.T, b *natstest.Server, events int) {
	t.Helper()
	raw := `"` + strings.Repeat("x", 300) + `"`
	var all []schema.Event
	for i := range events {
		if all = append(all, natstest.Event(fmt.Sprintf("event%021d", i), raw)); len(all) == 10_000 || i == events-1 {
			b.Store(t, all...)
			all = all[:0]
		}
	}
}
