package outbox

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestWhatIsLogged: a reason is logged when it comes, and not each time it comes again; that
// publishing goes on is logged when something was stored, or nothing failed for a while.
func TestWhatIsLogged(t *testing.T) {
	const idle, stored = "idle", "stored"
	for _, tt := range []struct {
		name  string
		steps []string // reasons, idle, stored, or a length of time
		want  []string // in the log; "on" is that publishing goes on
	}{
		{"once", []string{"a", "a", "a"}, []string{"a"}},
		{"another", []string{"a", "b", "b"}, []string{"a", "b"}},
		{"in-turns", []string{"a", "b", "a", "b", "a"}, []string{"a", "b"}},
		{"again-after-a-while", []string{"a", "2m", "a"}, []string{"a", "a"}},
		{"stored", []string{"a", stored, stored}, []string{"a", "on"}},
		{"comes-back", []string{"a", stored, "a"}, []string{"a", "on", "a"}},
		{"idle-in-between", []string{"a", idle, "a", idle, "a", idle}, []string{"a"}},
		{"idle-for-long", []string{"a", idle, "31s", idle, idle}, []string{"a", "on"}},
		{"well-from-the-start", []string{idle, stored, "31s", idle}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, logs := natstest.Log(zap.InfoLevel)
			now := time.Unix(1_700_000_000, 0)
			r := &relay{log: log, logged: map[string]time.Time{}, cfg: relayConfig{
				verify: 30 * time.Second, now: func() time.Time { return now }, rand: func(int64) int64 { return 0 }, recheckStreams: func() {},
			}}
			for _, step := range tt.steps {
				if d, err := time.ParseDuration(step); err == nil {
					now = now.Add(d)
					continue
				}
				switch step {
				case idle:
					r.clearHalted(false)
				case stored:
					r.clearHalted(true)
				default:
					r.fail(errors.New(step))
					if r.problem() != step {
						t.Errorf("problem is %q after %q", r.problem(), step)
					}
				}
			}
			var got []string
			for _, e := range logs.All() {
				if e.Message == "publishing goes on" {
					got = append(got, "on")
				} else {
					got = append(got, fmt.Sprint(e.ContextMap()["error"]))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
