//go:build deploy

package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const releaseVersion = "v0.0.0-test.1"

// makeRelease builds a release and returns the directory of its archives.
func makeRelease(t *testing.T, args ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "./deployments/release", "-version", releaseVersion, "-out", out}, args...)...)
	cmd.Dir = bridge.Root
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a release: %v\n%s", err, b)
	}
	return out
}

func archiveOf(platform string) string {
	return "treble-bridge-" + releaseVersion + "-" + strings.ReplaceAll(platform, "/", "-") + ".tar.gz"
}

func sbomOf(platform string) string {
	return strings.TrimSuffix(archiveOf(platform), ".tar.gz") + ".cdx.json"
}

// in runs a command in a directory and returns what it wrote.
func in(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	b, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, b)
	}
	return string(b)
}

// TestDeployRelease builds every platform, checks the sums as a user would, and runs
// the binary that runs here.
func TestDeployRelease(t *testing.T) {
	out := makeRelease(t)
	checked := in(t, out, "sha256sum", "-c", "SHA256SUMS")
	for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"} {
		if !strings.Contains(checked, archiveOf(platform)+": OK") {
			t.Errorf("%s is not in SHA256SUMS, which has\n%s", archiveOf(platform), checked)
		}
		checkSBOM(t, out, platform, checked)
		names := in(t, out, "tar", "-tzf", archiveOf(platform))
		for _, name := range []string{"treble-bridge", "LICENSE", "README.md", "nats/permissions.conf"} {
			if !strings.Contains(names, "/"+name+"\n") {
				t.Errorf("%s has no %s:\n%s", archiveOf(platform), name, names)
			}
		}
		if unit := strings.Contains(names, "treble-bridge.service"); unit != strings.HasPrefix(platform, "linux/") {
			t.Errorf("%s: a unit: %t", archiveOf(platform), unit)
		}
	}

	native := runtime.GOOS + "/" + runtime.GOARCH
	in(t, out, "tar", "-xzf", archiveOf(native))
	binary := filepath.Join(out, strings.TrimSuffix(archiveOf(native), ".tar.gz"), "treble-bridge")
	if got := in(t, out, binary, "version"); !strings.HasPrefix(got, "treble-bridge "+releaseVersion+" ") {
		t.Errorf("version: got %q, want %s", got, releaseVersion)
	}
	if b, err := os.ReadFile(binary); err != nil || strings.Contains(string(b), "/lib64/ld-linux") {
		t.Errorf("the binary is not static: %v", err)
	}

	// The same again gives the same bytes.
	again := makeRelease(t, "-only", native)
	for _, name := range []string{archiveOf(native), sbomOf(native)} {
		a, errA := os.ReadFile(filepath.Join(out, name))
		b, errB := os.ReadFile(filepath.Join(again, name))
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("two builds of %s differ: %v, %v", name, errA, errB)
		}
	}
}

// checkSBOM reads a bill of materials as a scanner would: CycloneDX, of this release,
// with each module that the binary has.
func checkSBOM(t *testing.T, out, platform, checked string) {
	t.Helper()
	name := sbomOf(platform)
	if !strings.Contains(checked, name+": OK") {
		t.Errorf("%s is not in SHA256SUMS, which has\n%s", name, checked)
	}
	b, err := os.ReadFile(filepath.Join(out, name))
	if err != nil {
		t.Fatal(err)
	}
	type component struct{ Name, Version string }
	var bom struct {
		BOMFormat  string
		Metadata   struct{ Component component }
		Components []component
	}
	if err := json.Unmarshal(b, &bom); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got := bom.Metadata.Component; bom.BOMFormat != "CycloneDX" || got.Version != releaseVersion {
		t.Errorf("%s is a %q of %+v, want CycloneDX of %s", name, bom.BOMFormat, got, releaseVersion)
	}
	in(t, out, "tar", "-xzf", archiveOf(platform))
	binary := filepath.Join(strings.TrimSuffix(archiveOf(platform), ".tar.gz"), "treble-bridge")
	modules := 0
	for line := range strings.Lines(in(t, out, "go", "version", "-m", binary)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "dep" {
			continue
		}
		modules++
		if !slices.Contains(bom.Components, component{fields[1], fields[2]}) {
			t.Errorf("%s lacks %s %s", name, fields[1], fields[2])
		}
	}
	if modules == 0 {
		t.Errorf("the binary for %s names no modules", platform)
	}
}

// TestDeployVet has the tests too compile on macOS, since that is where people work.
// The two processors do not differ in what compiles; TestDeployRelease builds both.
func TestDeployVet(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir = bridge.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=darwin", "GOARCH=arm64")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet for macOS: %v\n%s", err, b)
	}
}
