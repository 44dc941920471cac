package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// What is in testdata/upgrade/format1.tar.gz, in the order in which it was accepted.
// The README beside it says how it was made.
const (
	upgradeStored  = 60 // events that JetStream has acknowledged
	upgradePending = 30 // events that wait in the journal
	upgradeAside   = 2  // events that JetStream did not take
	upgradeRefused = 3  // bodies in the quarantine
)

// upgradeEnv is the configuration with which it was made: nothing in it may depend on
// the day or the disk of the test.
var upgradeEnv = []string{
	"TREBLE_BRIDGE_PUBLISHER_MAX_AGE=0",
	"TREBLE_BRIDGE_PUBLISHER_MAX_BYTES=64MiB",
}

// upgradeSessions are the sessions of events by what became of them.
func upgradeSessions(what string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%03d", what, i))
	}
	return names
}

// TestUpgrade starts the bridge on a data directory that the last version with journal
// format 1 left behind when it was killed, and wants that nothing is lost or doubled.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lost bool // JetStream has lost all that it had acknowledged
	}{{"stored", false}, {"tail-lost", true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := unpackUpgrade(t)
			if c.lost {
				if err := os.RemoveAll(filepath.Join(dir, "nats")); err != nil {
					t.Fatal(err)
				}
			}
			p := bridge.ServeOn(t, dir, upgradeEnv...)
			p.Published(t)
			stream := bridge.StreamSessions(t, p.JetStream(t))
			want := append(upgradeSessions("stored", upgradeStored), upgradeSessions("pending", upgradePending)...)
			if !slices.Equal(stream, want) {
				t.Errorf("got %d events, want the %d in order:\n%s", len(stream), len(want), bridge.Diff(stream, want))
			}
			checkUpgradeAccount(t, p, c.lost)

			// And life goes on.
			p.PostEvent(t, bridge.ReadEvent("new-000", 0, 70))
			p.Published(t)
			checkUpgradeAside(t, p)
			if !c.lost {
				if got := natstest.Messages(t, p.JetStream(t), "TREBLE_QUARANTINE"); len(got) != upgradeRefused {
					t.Errorf("got %d bodies in the quarantine, want %d", len(got), upgradeRefused)
				}
			}
			want = append(append(want, "new-000"), upgradeSessions("aside", upgradeAside)...)
			if got := bridge.StreamSessions(t, p.JetStream(t)); !slices.Equal(got, want) {
				t.Errorf("at the end: %s", bridge.Diff(got, want))
			}
			p.Stop()
			checkFormats(t, dir)

			again := bridge.ServeOn(t, dir, upgradeEnv...)
			again.Published(t)
			if got := bridge.StreamSessions(t, again.JetStream(t)); !slices.Equal(got, want) {
				t.Errorf("after another start: %s", bridge.Diff(got, want))
			}
		})
	}
}

// checkUpgradeAccount wants that what the older version counted is counted on.
func checkUpgradeAccount(t *testing.T, p *bridge.Process, lost bool) {
	t.Helper()
	healed := 0.0
	if lost {
		healed = upgradeStored
	}
	m := p.Metrics(t)
	for name, want := range map[string]float64{
		"accepted_events":    upgradeStored + upgradeAside + upgradePending,
		"stored_events":      upgradeStored + upgradePending,
		"set_aside_events":   upgradeAside,
		"duplicate_events":   0,
		"pending_events":     0,
		"unaccounted_events": 0,
		"healed_total":       healed,
	} {
		if got := m["treble_bridge_"+name]; got != want {
			t.Errorf("%s: got %g, want %g", name, got, want)
		}
	}
}

// checkUpgradeAside wants that what was set aside is listed, and publishes it.
func checkUpgradeAside(t *testing.T, p *bridge.Process) {
	t.Helper()
	env := append([]string{"TREBLE_BRIDGE_NATS_URL=" + p.NATSURL(t)}, upgradeEnv...)
	if out := mustCLI(t, p.DataDir, env, "journal", "set-aside", "list"); strings.Count(out, "refused") != upgradeAside {
		t.Errorf("set-aside list: got %s, want %d messages", out, upgradeAside)
	}
	mustCLI(t, p.DataDir, env, "journal", "set-aside", "retry", "--all", "--yes")
}

// checkFormats wants that what this version wrote begins with a format that older ones
// refuse to read, and that it added nothing to a segment of theirs.
func checkFormats(t *testing.T, dir string) {
	t.Helper()
	older, newer := 0, 0
	names, _ := filepath.Glob(filepath.Join(dir, "journal", "*.seg"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) < 4 || string(b[:3]) != "TBJ" {
			t.Fatalf("%s begins with %q", filepath.Base(name), b[:min(4, len(b))])
		}
		switch b[3] {
		case 1:
			older++
			if strings.Contains(string(b), "TBJ\x02") {
				t.Errorf("%s is of format 1, and something was added to it", filepath.Base(name))
			}
		case 2:
			newer++
		default:
			t.Errorf("%s has format %d", filepath.Base(name), b[3])
		}
	}
	if newer == 0 {
		t.Errorf("got no segment of format 2 among %d: an older version would go on where this one was", len(names))
	}
	t.Logf("%d segments of format 1, %d of format 2", older, newer)
}

// unpackUpgrade returns a data directory as the older version left it.
func unpackUpgrade(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(bridge.Testdata, "upgrade", "format1.tar.gz")
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", file, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	return dir
}
