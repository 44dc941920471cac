package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const (
	unitDir  = bridge.Root + "/deployments/systemd"
	unitFile = unitDir + "/treble-bridge.service"

	// maxExposure is ten times the score that docs/deployment.md tells, as
	// systemd-analyze takes it.
	maxExposure = "12"
)

// readUnit returns the settings of the unit; one that is repeated has all values.
func readUnit(t *testing.T) map[string][]string {
	t.Helper()
	unit := map[string][]string{}
	for line := range strings.Lines(bridge.ReadFile(t, unitFile)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			unit[name] = append(unit[name], value)
		}
	}
	return unit
}

// TestSystemdConfig starts what the unit starts, with its environment and its
// credential, but for the command: config check.
func TestSystemdConfig(t *testing.T) {
	t.Parallel()
	credentials, state := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "bearer"), []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	unit := readUnit(t)
	want := "/usr/local/bin/treble-bridge serve --config /etc/treble-bridge/bridge.yaml"
	if got := unit["ExecStart"]; len(got) != 1 || got[0] != want {
		t.Errorf("ExecStart: got %q, want %q", got, want)
	}
	var env []string
	specifiers := strings.NewReplacer("%d", credentials, "%S", state)
	for _, assignment := range unit["Environment"] {
		env = append(env, specifiers.Replace(assignment))
	}
	bridge.MustCommand(t, env, "config", "check", "--config", unitDir+"/bridge.yaml")
}

// TestSystemdStop: systemd must not kill a bridge that is still finishing.
func TestSystemdStop(t *testing.T) {
	t.Parallel()
	unit := readUnit(t)
	stop, err := time.ParseDuration(strings.Join(unit["TimeoutStopSec"], " "))
	if err != nil {
		t.Fatal(err)
	}
	if shutdown := config.Default().ShutdownTimeout; stop <= shutdown {
		t.Errorf("TimeoutStopSec is %s: want more than shutdown_timeout, %s", stop, shutdown)
	}
}

// TestSystemdAnalyze has systemd read the unit and rate it.
func TestSystemdAnalyze(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is not here: install systemd")
		}
		t.Skip("systemd-analyze is not here: the unit is not checked")
	}
	// verify wants the program where the unit says.
	program := bridge.Absolute(t, bridge.Binary(t))
	text := strings.ReplaceAll(bridge.ReadFile(t, unitFile), "/usr/local/bin/treble-bridge", program)
	unit := filepath.Join(t.TempDir(), "treble-bridge.service")
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--offline=true", "--threshold=" + maxExposure, unit},
	} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		// Verify warns about settings that it does not know and calls that a success.
		if err != nil || args[0] == "verify" && strings.Contains(string(out), "treble-bridge.service") {
			t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
