package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const readme = bridge.Root + "/README.md"

// TestReadmeTour does what the README tells a newcomer: "make run", then the
// commands of the tour, one after the other, in a shell. Only the ports and the
// data directory differ, so that it can run beside a bridge of the developer's.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	text := bridge.ReadFile(t, readme)
	dir := t.TempDir()
	ports := map[string]string{"8080": bridge.FreePort(t), "9464": bridge.FreePort(t), "4222": bridge.FreePort(t)}
	env := append(os.Environ(),
		"TREBLE_BRIDGE_DATA_DIR="+filepath.Join(dir, "data"),
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:"+ports["8080"],
		"TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:"+ports["9464"],
		"TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:"+ports["4222"],
	)
	var out natstest.LogBuffer
	run := exec.Command("make", "run")
	run.Dir, run.Env, run.Stdout, run.Stderr = bridge.Root, env, &out, &out
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // make and the bridge end together
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-run.Process.Pid, syscall.SIGINT)
		_ = run.Wait()
		if t.Failed() {
			t.Logf("make run printed:\n%s", out.String())
		}
	})
	bridge.Await(t, 3*time.Minute, "make run is ready, and prints what to try", func(ctx context.Context) error {
		for _, want := range []string{"127.0.0.1:" + ports["8080"] + "/webhook", "curl ", "Authorization: Bearer "} {
			if !strings.Contains(out.String(), want) {
				return fmt.Errorf("it did not print %q", want)
			}
		}
		return bridge.ExpectStatus(ctx, "http://127.0.0.1:"+ports["9464"]+"/readyz", http.StatusOK)
	})

	// The commands stand in the root of the project and use ./data.
	if err := os.Symlink(bridge.Absolute(t, filepath.Join(bridge.Root, "bin")), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	blocks := bridge.CodeBlocks(bridge.Between(t, text, "tour"), "sh")
	wants := []string{"HTTP/1.1 200 OK", "200: 200", "message.read", "treble_bridge_requests_total{"}
	if len(blocks) != len(wants) {
		t.Fatalf("the tour has %d blocks, this test knows %d", len(blocks), len(wants))
	}
	for i, block := range blocks {
		for from, to := range ports {
			block = strings.ReplaceAll(block, "127.0.0.1:"+from, "127.0.0.1:"+to)
		}
		sh := exec.Command("sh", "-e", "-c", block)
		sh.Dir, sh.Env = dir, env
		b, err := sh.CombinedOutput()
		if err != nil || !strings.Contains(string(b), wants[i]) {
			t.Errorf("%s\nended with %v, and %q is not in its output:\n%s", block, err, wants[i], b)
		}
	}
	url := natsURLOf(t, text, dir, ports)
	bridge.AwaitTrue(t, 30*time.Second, "make run prints the URL of NATS", func() bool {
		return strings.Contains(out.String(), "nats --server "+url+" sub 'treble.>'")
	})
	t.Run("consumer", func(t *testing.T) { runConsumer(t, url) })
}

// natsURLOf is NATS_URL as the README has it set.
func natsURLOf(t *testing.T, text, dir string, ports map[string]string) string {
	t.Helper()
	line := bridge.CodeBlocks(bridge.Between(t, text, "nats-url"), "sh")[0]
	line = strings.ReplaceAll(line, "127.0.0.1:4222", "127.0.0.1:"+ports["4222"])
	sh := exec.Command("sh", "-e", "-c", line+"\nprintf %s \"$NATS_URL\"")
	sh.Dir = dir
	url, err := sh.Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(url)
}

// runConsumer starts the README's program and wants it to print the events of
// the tour.
func runConsumer(t *testing.T, url string) {
	program := bridge.Program{Package: "./test/consumer"}
	defer program.Close()
	cmd := exec.Command(program.Path(t))
	cmd.Env = append(os.Environ(), "NATS_URL="+url)
	consumer := bridge.Start(t, cmd)
	consumer.Await("the consumer prints both events", func(context.Context) error {
		if out := consumer.Output.String(); !strings.Contains(out, "s-1 read at 2026-01-01T09:00:02Z") || !strings.Contains(out, "answered at") {
			return errors.New(out)
		}
		return nil
	})

	// Whoever deletes the consumer is not kept waiting in silence.
	if err := natstest.Connect(t, url).DeleteConsumer(t.Context(), "TREBLE", "readme"); err != nil {
		t.Fatal(err)
	}
	if code := consumer.ExitCode(); code != 1 || !strings.Contains(consumer.Output.String(), "the consumer was deleted") {
		t.Errorf("its consumer was deleted: got exit code %d, want 1 and an error that says so", code)
	}
}
