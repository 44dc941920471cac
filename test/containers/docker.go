// Package containers runs the bridge and nats-server in Docker containers for
// tests. Both come from images that are built here FROM scratch out of static
// binaries, so no registry is needed. A test asks for a [Network], starts what
// it needs on it, and stops, pauses, kills or cuts it off; everything is
// removed when the test ends, also when it fails.
//
// Methods end the test on failure, so call them from the test's goroutine.
// Published ports are bound to 127.0.0.1: the Docker engine must run on the
// same machine as the test.
package containers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

// Label marks every container, network, volume and image that this package makes. Its
// value is different in every test process.
const Label = "treble-bridge.test"

// cleanupTimeout bounds the removal of one thing.
const cleanupTimeout = 30 * time.Second

// Docker is the Docker engine as one test process uses it. It connects and
// builds images when they are first needed, and is safe for concurrent use.
type Docker struct {
	run string

	mu       sync.Mutex // guards what follows
	provider *testcontainers.DockerProvider
	err      error             // of the connection; kept, so that only the first test waits for it
	images   map[string]string // tag by package path
}

// New returns the engine of this process. Close it after the last test, in
// TestMain.
func New() *Docker {
	return &Docker{run: strings.ToLower(rand.Text()[:12]), images: map[string]string{}}
}

// connect returns the connection to the engine.
func (d *Docker) connect() (*testcontainers.DockerProvider, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.provider != nil || d.err != nil {
		return d.provider, d.err
	}
	// Ryuk is a container of testcontainers that removes what a test left. Its
	// image comes from a registry, so we remove everything ourselves.
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return nil, err
	}
	log.SetDefault(log.NewNoopLogger())
	d.provider, d.err = open()
	return d.provider, d.err
}

// open connects to the engine and asks it for a sign of life.
func open() (p *testcontainers.DockerProvider, err error) {
	// Without any engine to be found testcontainers panics.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%v", r)
		}
	}()
	p, err = testcontainers.NewDockerProvider()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Health(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// need skips the test if there is no Docker engine. With CI=true it fails it:
// a skipped test must not look green there.
func (d *Docker) need(t *testing.T) *testcontainers.DockerProvider {
	t.Helper()
	p, err := d.connect()
	switch {
	case err == nil:
		return p
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs a Docker engine: %v", err)
	default:
		t.Skipf("no Docker engine, test skipped (with CI=true it fails): %v", err)
	}
	return nil
}

// client returns the engine's API, for what testcontainers has no call.
func (d *Docker) client() client.APIClient { return d.provider.Client() }

// Close removes the images. It reports every container, network, volume and image of
// this process that is still there: a test that left something is an error.
func (d *Docker) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	var errs []error
	for _, tag := range d.images {
		_, err := d.client().ImageRemove(ctx, tag, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		errs = append(errs, err)
	}
	left, err := d.left(ctx)
	errs = append(errs, err)
	if len(left) > 0 {
		errs = append(errs, fmt.Errorf("left behind: %s", strings.Join(left, ", ")))
	}
	return errors.Join(append(errs, d.provider.Close())...)
}

// left lists what this process has in the engine.
func (d *Docker) left(ctx context.Context) ([]string, error) {
	ours := client.Filters{}.Add("label", Label+"="+d.run)
	containers, err := d.client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	networks, err := d.client().NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	images, err := d.client().ImageList(ctx, client.ImageListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	volumes, err := d.client().VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var left []string
	for _, c := range containers.Items {
		left = append(left, "container "+c.ID)
	}
	for _, n := range networks.Items {
		left = append(left, "network "+n.ID)
	}
	for _, v := range volumes.Items {
		left = append(left, "volume "+v.Name)
	}
	for _, i := range images.Items {
		left = append(left, "image "+i.ID)
	}
	return left, nil
}
