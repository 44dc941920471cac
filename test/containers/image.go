package containers

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// The main packages of which images are made. That of nats-server is the one
// in go.mod, so the version in the tests is the version that the bridge embeds.
const (
	bridgePackage = "github.com/treble-bridge/treble-bridge/cmd/treble-bridge"
	natsPackage   = "github.com/nats-io/nats-server/v2"
)

// buildTimeout bounds the building of one image, on a machine that compiles
// everything for the first time.
const buildTimeout = 10 * time.Minute

// dockerfile needs nothing but the binary: no base image, no RUN, and nothing
// that only BuildKit knows.
const dockerfile = `FROM scratch
COPY main /main
ENTRYPOINT ["/main"]
`

// image returns the tag of the image of a main package and builds it first if
// this process has not done so yet.
func (d *Docker) image(t *testing.T, pkg string) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if tag, ok := d.images[pkg]; ok {
		return tag
	}
	dir := t.TempDir()
	if err := bridge.Build(bridge.Root, filepath.Join(dir, "main"), pkg, "CGO_ENABLED=0", "GOOS=linux"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
	defer cancel()
	tag, err := d.provider.BuildImage(ctx, &testcontainers.ContainerRequest{
		FromDockerfile: testcontainers.FromDockerfile{
			Context: dir,
			Repo:    "treble-bridge-test/" + path.Base(path.Dir(pkg)) + "-" + path.Base(pkg),
			Tag:     d.run,
			BuildOptionsModifier: func(o *client.ImageBuildOptions) {
				o.Labels = map[string]string{Label: d.run}
				// Cached layers would be shared with other test processes,
				// and could not be removed while those run.
				o.NoCache = true
			},
		},
	})
	if err != nil {
		t.Fatalf("image of %s: %v", pkg, err)
	}
	d.images[pkg] = tag
	return tag
}
