//go:build deploy

package deploy

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"

	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/containers"
)

// The tests with the build tag deploy use what users deploy. Here: the image of
// "make image", on a read-only root, without capabilities, with a fresh volume.

// postEvent posts an event and wants it accepted.
func postEvent(t *testing.T, b *containers.Bridge) {
	t.Helper()
	r, err := bridge.Request{Body: bridge.ReadEvent("s-1", 1, 20)}.Send(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	r.Accepted(t)
}

// execIn runs a command in the container and wants exit code 0.
func execIn(t *testing.T, b *containers.Bridge, args ...string) string {
	t.Helper()
	code, out, err := b.Exec(args...)
	if err != nil || code != 0 {
		t.Fatalf("%v: got exit code %d, %v, want 0:\n%s", args, code, err, out)
	}
	return out
}

func TestDeployImageRuns(t *testing.T) {
	network := docker.Network(t)
	volume := network.Volume()
	b := network.Released(volume)
	b.Ready()
	t.Logf("listening %s after the container's start, with an empty volume and the embedded NATS", startup(t, b))

	postEvent(t, b)
	if out := execIn(t, b, "treble-bridge", "health"); !strings.Contains(out, "ready") {
		t.Errorf("health: got %q, want ready", out)
	}
	execIn(t, b, "treble-bridge", "send", "message.delivered")
	tail := []string{"treble-bridge", "tail", "--no-follow", "--limit", "2"}
	for _, want := range []string{"message.read", "message.delivered"} {
		if out := execIn(t, b, tail...); !strings.Contains(out, want) {
			t.Errorf("tail: got %q, want %s in it", out, want)
		}
	}
	if code, _, err := b.Exec("/bin/sh", "-c", "true"); err == nil && code == 0 {
		t.Error("there is a shell")
	}
	b.Healthy()
	b.Stop()
	if code, log := b.Ended(time.Second); code != 0 || !strings.Contains(log, `"stopped"`) {
		t.Errorf("SIGTERM: got exit code %d, want 0 after a clean stop:\n%s", code, log)
	}

	// Another container on the same volume goes on where this one was.
	next := network.Released(volume)
	next.Ready()
	t.Logf("listening %s after the next container's start", startup(t, next))
	if out := execIn(t, next, tail...); !strings.Contains(out, "message.read") || !strings.Contains(out, "message.delivered") {
		t.Errorf("on the same volume: got %q, want both events", out)
	}
}

// startup returns the time from the start of the container, by the engine, to
// the line in its log that says that it listens.
func startup(t *testing.T, b *containers.Bridge) time.Duration {
	t.Helper()
	started, err := time.Parse(time.RFC3339Nano, b.Inspect().State.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.Log()) {
		var entry struct {
			Time time.Time
			Msg  string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.Time.Sub(started).Round(time.Millisecond)
		}
	}
	t.Fatal("the log does not say that it listens")
	return 0
}

// TestDeployImageKeepsTheJournal: NATS is away, so that an event is in the
// journal only, and the container is killed and removed.
func TestDeployImageKeepsTheJournal(t *testing.T) {
	network := docker.Network(t)
	nats := network.NATS()
	url := testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_NATS_URL": nats.URL()})
	volume := network.Volume()
	b := network.Released(volume, url)
	b.Ready()
	nats.Stop()
	postEvent(t, b)
	b.Kill()
	b.Remove()
	nats.Start()
	nats.Ready()

	network.Released(volume, url).Ready()
	js := nats.JetStream()
	bridge.Await(t, 30*time.Second, "the event of the first container is in the stream", bridge.Exactly(1, func() int { return bridge.Stored(t, js, "TREBLE") }))
}

// TestDeployImageRefusals: what is missing is said in one line.
func TestDeployImageRefusals(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     testcontainers.CustomizeRequestOption
	}{
		{"no-secret", "TREBLE_BRIDGE_AUTH_BEARER", testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_AUTH_BEARER": ""})},
		{"reachable-nats-without-tls", "nats.embedded.tls.cert_file", testcontainers.WithEnv(map[string]string{"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR": ":4222"})},
		{"no-volume", "data_dir", testcontainers.WithHostConfigModifier(func(host *container.HostConfig) { host.Mounts = nil })},
	} {
		t.Run(c.name, func(t *testing.T) {
			network := docker.Network(t)
			code, log := network.Released(network.Volume(), c.change).Ended(30 * time.Second)
			if code != 1 || !strings.Contains(log, c.want) {
				t.Errorf("got exit code %d, want 1 and %q in the log:\n%s", code, c.want, log)
			}
		})
	}
}

func TestDeployImageContents(t *testing.T) {
	network := docker.Network(t)
	name := docker.ReleaseImage(t)
	image := docker.InspectImage(t, name)
	t.Logf("image of %.1f MB", float64(image.Size)/1e6)
	if image.Config.User != "65532:65532" {
		t.Errorf("user: got %q, want 65532:65532", image.Config.User)
	}
	if health := image.Config.Healthcheck; health == nil || !slices.Equal(health.Test, []string{"CMD", "treble-bridge", "health"}) {
		t.Errorf("health check: got %+v", health)
	}
	for _, label := range []string{"version", "revision", "source", "licenses", "title", "description"} {
		if image.Config.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("label org.opencontainers.image.%s is missing", label)
		}
	}
	for _, port := range []string{"8080/tcp", "9464/tcp"} {
		if _, ok := image.Config.ExposedPorts[port]; !ok {
			t.Errorf("%s is not exposed: %v", port, image.Config.ExposedPorts)
		}
	}

	b := network.Released(network.Volume())
	b.Ready()
	version := image.Config.Labels["org.opencontainers.image.version"]
	if out := execIn(t, b, "treble-bridge", "version"); version != "devel" && !strings.Contains(out, version) {
		t.Errorf("version: got %q, want the label's %q", out, version)
	}
	for _, path := range regularFiles(t, b) {
		if path != "usr/local/bin/treble-bridge" {
			t.Errorf("%s is in the image", path)
		}
	}
}

// regularFiles returns the paths of a container's files, without those that the engine puts
// into each.
func regularFiles(t *testing.T, b *containers.Bridge) (paths []string) {
	t.Helper()
	r := b.Files()
	defer r.Close()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return paths
		}
		if err != nil {
			t.Fatal(err)
		}
		engines := []string{".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
		if h.Typeflag == tar.TypeReg && !slices.Contains(engines, h.Name) {
			paths = append(paths, h.Name)
		}
	}
}

// TestDeployImageWithoutGit: an archive of the sources has no .git.
func TestDeployImageWithoutGit(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-n", "image")
	cmd.Dir = bridge.Root
	cmd.Env = append(cmd.Environ(), "GIT_DIR=/nonexistent")
	out, err := cmd.Output()
	if err != nil || !strings.HasSuffix(string(out), "echo 'treble-bridge:devel'\n") {
		t.Errorf("got %v and\n%s\nwant it to print treble-bridge:devel last", err, out)
	}
	if !strings.Contains(string(out), "REVISION='unknown'") || !strings.Contains(string(out), "-buildvcs=false") {
		t.Errorf("it asks git:\n%s", out)
	}
}
