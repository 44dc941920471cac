package containers

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// ReleaseImage returns the name of the image that "make image" builds, as users
// get it. It is built when it is first needed.
func (d *Docker) ReleaseImage(t *testing.T) string {
	t.Helper()
	d.need(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if name, ok := d.images["make image"]; ok {
		return name
	}
	name := "treble-bridge-test/release:" + d.run
	ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "image", "IMAGE="+name, "CONTEXT="+t.TempDir(),
		"IMAGEFLAGS=--no-cache --force-rm --label "+Label+"="+d.run+
			// Containers take their image's labels over, whoever starts them.
			" --label org.testcontainers.sessionId="+testcontainers.SessionID())
	cmd.Dir = bridge.Root
	// The builder of every engine; BuildKit needs a plugin of the docker command.
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("make image: %v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	d.images["make image"] = name
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if got := lines[len(lines)-1]; got != name {
		t.Errorf("make image: got %q as the last line, want the image's name %s", got, name)
	}
	return name
}

// NATSImage returns the name of the image of nats-server.
func (d *Docker) NATSImage(t *testing.T) string {
	t.Helper()
	d.need(t)
	return d.image(t, natsPackage)
}

// Volume makes a named volume that lives as long as the test.
func (n *Network) Volume() string {
	n.t.Helper()
	v, err := n.docker.client().VolumeCreate(n.t.Context(), client.VolumeCreateOptions{Labels: map[string]string{Label: n.docker.run}})
	if err != nil {
		n.t.Fatalf("make volume: %v", err)
	}
	name := v.Volume.Name
	n.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if _, err := n.docker.client().VolumeRemove(ctx, name, client.VolumeRemoveOptions{}); err != nil {
			n.t.Errorf("remove volume: %v", err)
		}
	})
	return name
}

// Released starts the image of "make image" under the name "bridge", with
// nothing but a secret: the rest is the image's own. The file system is
// read-only but for /data, which is the volume. It does not wait.
func (n *Network) Released(volume string, opts ...testcontainers.ContainerCustomizer) *Bridge {
	n.t.Helper()
	opts = append([]testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(bridgePort, opsPort),
		testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_AUTH_BEARER": bridge.Token}),
		testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
			publishOnLoopback(host)
			host.ReadonlyRootfs = true
			host.CapDrop = []string{"ALL"}
			host.SecurityOpt = []string{"no-new-privileges"}
			host.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: "/data"}}
		}),
	}, opts...)
	b := &Bridge{n.create("bridge", n.docker.ReleaseImage(n.t), opts...)}
	b.Start()
	return b
}
