// Command release builds the archives of a release, for each platform one, with a bill of
// materials (SBOM) and SHA256SUMS beside them. See "make release".
//
// Whoever builds the same commit with the same version of Go gets the same bytes:
// nothing of the machine, the directory or the hour is in them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	r := release{}
	flag.StringVar(&r.version, "version", "", "version, for the binary and the names of the archives")
	flag.StringVar(&r.out, "out", "dist", "directory of the archives")
	only := flag.String("only", strings.Join(platforms, " "), "platforms, as os/arch")
	flag.Parse()
	if err := r.run(strings.Fields(*only)); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// platforms lists the targets of a release, as GOOS/GOARCH.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}

type release struct {
	version string
	out     string
	time    time.Time // of every file in the archives
}

// run works in the top directory of the repository.
func (r *release) run(platforms []string) error {
	if r.version == "" || strings.ContainsAny(r.version, "/ ") {
		return fmt.Errorf("-version %q: want something like v1.2.3", r.version)
	}
	if _, err := os.Stat("cmd/treble-bridge"); err != nil {
		return errors.New("run it in the top directory of the repository")
	}
	var err error
	if r.time, err = sourceTime(); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var names []string
	for _, platform := range platforms {
		made, err := r.build(platform)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		names = append(names, made...)
	}
	return writeSums(r.out, names)
}

// sourceTime is the time of the commit, which make hands over.
func sourceTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Unix(0, 0), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: want seconds since 1970, have %q", text)
	}
	return time.Unix(seconds, 0), nil
}

// build makes the archive of one platform and its bill of materials, and returns their names.
func (r *release) build(platform string) ([]string, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, errors.New("want os/arch")
	}
	dir, err := os.MkdirTemp("", "treble-bridge-release-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a directory of temporary files
	binary := filepath.Join(dir, "treble-bridge")
	if err := r.compile(goos, goarch, binary); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("treble-bridge-%s-%s-%s", r.version, goos, goarch)
	files := []file{
		{"treble-bridge", binary, 0o755},
		{"LICENSE", "LICENSE", 0o644},
		{"README.md", "README.md", 0o644},
		{"CHANGELOG.md", "CHANGELOG.md", 0o644},
		{"nats/permissions.conf", "deployments/nats/permissions.conf", 0o644},
	}
	if goos == "linux" {
		files = append(files,
			file{"systemd/treble-bridge.service", "deployments/systemd/treble-bridge.service", 0o644},
			file{"systemd/bridge.yaml", "deployments/systemd/bridge.yaml", 0o644})
	}
	archive := name + ".tar.gz"
	if err := writeArchive(filepath.Join(r.out, archive), name, files, r.time); err != nil {
		return nil, err
	}
	sbom, err := r.writeSBOM(name, binary)
	return []string{archive, sbom}, err
}

// compile builds a static binary. What would tell two builds of the same commit
// apart is left out: paths, the state of the checkout, the linker's build id.
func (r *release) compile(goos, goarch, binary string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.release="+r.version, "-o", binary, "./cmd/treble-bridge")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
