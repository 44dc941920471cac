package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// file is a file of an archive.
type file struct {
	name string // in the archive
	path string // where it is read from
	mode int64
}

// writeArchive writes the files as a compressed tar archive, below a directory.
func writeArchive(path, dir string, files []file, at time.Time) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	for _, file := range files {
		if err := file.write(w, dir, at); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), z.Close())
}

func (f file) write(w *tar.Writer, dir string, at time.Time) error {
	b, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	// No user and group: they would be those of whoever builds.
	h := &tar.Header{Name: dir + "/" + f.name, Mode: f.mode, Size: int64(len(b)), ModTime: at, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// writeSums writes SHA256SUMS as "sha256sum -c" reads it.
func writeSums(dir string, names []string) error {
	var b strings.Builder
	for _, name := range names {
		sum, err := sha256Of(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644)
}

func sha256Of(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

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
