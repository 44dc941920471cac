package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// sbomTool reads from a binary which modules it was built of. It is pinned here and not in
// go.mod, since the bridge does not need what it needs.
const sbomTool = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// writeSBOM writes the bill of materials of a binary, as CycloneDX in JSON, and returns its name.
//
// The document names the tool with the sums of its binary, so the tool is built in such a way that
// it has the same bytes everywhere.
func (r *release) writeSBOM(archive, binary string) (string, error) {
	name := archive + ".cdx.json"
	path, err := filepath.Abs(filepath.Join(r.out, name))
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "run", "-trimpath", "-buildvcs=false", sbomTool,
		"bin", "-json", "-noserial", "-notimestamp", "-std", "-version", r.version, "-output", path, binary)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return name, cmd.Run()
}
