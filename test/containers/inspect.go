package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
	tcexec "github.com/testcontainers/testcontainers-go/exec"

	"github.com/treble-bridge/treble-bridge/test/bridge"
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
	code = c.awaitEnd(timeout)
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
	bridge.Await(c.t, readyTimeout, c.alias+" is healthy", func(ctx context.Context) error {
		if err := c.alive(ctx); err != nil {
			return err
		}
		r, err := c.docker.client().ContainerInspect(ctx, c.id, client.ContainerInspectOptions{})
		switch {
		case err != nil:
			return err
		case r.Container.State.Health == nil:
			return fmt.Errorf("%w: it has no health check", bridge.ErrEnded)
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
