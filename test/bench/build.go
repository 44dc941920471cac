package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binaries are the programs that a benchmark starts, by name.
type binaries struct{ dir string }

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// build builds them as a release is built. nats-server comes from the module
// that the bridge itself embeds, so that both are the same code.
func build(ctx context.Context, root, dir string) (binaries, error) {
	for _, p := range []struct{ name, from, pkg string }{
		{"treble-bridge", root, "./cmd/treble-bridge"},
		{"nats-server", root, "github.com/nats-io/nats-server/v2"},
		{"floor", ".", "./floor"},
		{"naive", ".", "./naive"},
		{"bare", ".", "./bare"},
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, p.name), p.pkg)
		cmd.Dir = p.from
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return binaries{}, fmt.Errorf("build %s: %w\n%s", p.name, err, out)
		}
	}
	return binaries{dir}, nil
}
