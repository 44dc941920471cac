package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
)

// Exec runs a command in the container and returns its exit code and what it
// printed, as "docker exec" does. A program that is not there has no exit code:
// then there is an error.
func (c *Container) Exec(args ...string) (code int, output string, err error) {
	code, r, err := c.inner.Exec(c.t.Context(), args, tcexec.Multiplexed())
	if err != nil {
		return code, "", err
	}
	b, err := io.ReadAll(r)
	return code, string(b), err
}

// Inspect returns what the engine knows of the container.
func (c *Container) Inspect() container.InspectResponse {
	c.t.Helper()
	r, err := c.docker.client().ContainerInspect(c.t.Context(), c.id, client.ContainerInspectOptions{})
	c.do("inspect", err)
	return r.Container
}

// Ended waits for the container's end and returns its exit code and its log.
func (c *Container) Ended(timeout time.Duration) (code int, log string) {
	c.t.Helper()
	await(c.t, timeout, c.alias+" ends", func(ctx context.Context) error {
		state, err := c.inner.State(ctx)
		if err == nil && state.Running {
			return errStillRunning
		}
		if err == nil {
			code = state.ExitCode
		}
		return err
	})
	return code, c.logs(c.t.Context())
}

// Log returns the last lines that the container wrote.
func (c *Container) Log() string { c.t.Helper(); return c.logs(c.t.Context()) }

// WholeLog returns all that the container wrote since it was made, over all its starts.
func (c *Container) WholeLog() string {
	c.t.Helper()
	b, err := c.output(c.t.Context())
	c.do("read the log of", err)
	return string(b)
}

// Healthy waits until the image's own health check says so.
func (c *Container) Healthy() {
	c.t.Helper()
	await(c.t, readyTimeout, c.alias+" is healthy", func(ctx context.Context) error {
		if err := c.alive(ctx); err != nil {
			return err
		}
		r, err := c.docker.client().ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
		switch {
		case err != nil:
			return err
		case r.Container.State.Health == nil:
			return fmt.Errorf("%w: it has no health check", errEnded)
		case r.Container.State.Health.Status != container.Healthy:
			return errors.New(string(r.Container.State.Health.Status))
		}
		return nil
	})
}

// Files returns the container's whole file system as a tar archive.
func (c *Container) Files() io.ReadCloser {
	c.t.Helper()
	r, err := c.docker.client().ContainerExport(c.t.Context(), c.id, client.ContainerExportOptions{})
	c.do("export", err)
	return r
}

// InspectImage returns what the engine knows of an image.
func (d *Docker) InspectImage(t *testing.T, name string) image.InspectResponse {
	t.Helper()
	r, err := d.need(t).Client().ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatalf("inspect image %s: %v", name, err)
	}
	return r.InspectResponse
}

// moduleDir returns the top directory of the repository, also for a test of a
// module nested in it.
func moduleDir(t *testing.T) string {
	t.Helper()
	module := strings.TrimSuffix(bridgePackage, "/cmd/treble-bridge")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("find module %s: %v", module, err)
	}
	return filepath.Clean(strings.TrimSpace(string(out)))
}
