package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
	bridge.WaitFor(t, 3*time.Minute, "make run is ready", func() bool {
		return bridge.ExpectStatus(t.Context(), "http://127.0.0.1:"+ports["9464"]+"/readyz", http.StatusOK) == nil
	})
	for _, want := range []string{"127.0.0.1:" + ports["8080"] + "/webhook", "curl ", "Authorization: Bearer "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("make run did not print %q", want)
		}
	}

	// The commands stand in the root of the project and use ./data.
	if err := os.Symlink(bridge.Absolute(t, filepath.Join(bridge.Root, "bin")), filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	blocks := tourBlocks(t, text)
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
	if want := "nats --server " + url + " sub 'treble.>'"; !strings.Contains(out.String(), want) {
		t.Errorf("make run did not print %q", want)
	}
	t.Run("consumer", func(t *testing.T) { runConsumer(t, url) })
}

// natsURLOf is NATS_URL as the README has it set.
func natsURLOf(t *testing.T, text, dir string, ports map[string]string) string {
	t.Helper()
	_, rest, _ := strings.Cut(text, "<!-- nats-url:begin -->\n```sh\n")
	line, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md does not say how NATS_URL is set")
	}
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
	var out natstest.LogBuffer
	consumer := exec.Command("go", "run", "-buildvcs=false", "./test/consumer")
	consumer.Dir, consumer.Env = bridge.Root, append(os.Environ(), "NATS_URL="+url)
	consumer.Stdout, consumer.Stderr = &out, &out
	consumer.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := consumer.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = consumer.Wait()
	}()
	defer func() {
		_ = syscall.Kill(-consumer.Process.Pid, syscall.SIGINT)
		<-ended
	}()
	bridge.WaitFor(t, time.Minute, "the consumer prints both events", func() bool {
		return strings.Contains(out.String(), "s-1 read at 2026-01-01T09:00:02Z") && strings.Contains(out.String(), "answered at")
	})

	// Whoever deletes the consumer is not kept waiting in silence.
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(t.Context(), "TREBLE", "readme"); err != nil {
		t.Fatal(err)
	}
	bridge.WaitFor(t, time.Minute, "the consumer ends with an error", func() bool {
		return strings.Contains(out.String(), "the consumer was deleted") && strings.Contains(out.String(), "exit status 1")
	})
}

// tourBlocks returns the shell blocks of the tour.
func tourBlocks(t *testing.T, text string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "<!-- tour:begin -->")
	tour, _, ok2 := strings.Cut(rest, "<!-- tour:end -->")
	if !ok || !ok2 {
		t.Fatal("README.md has no tour")
	}
	var blocks []string
	for _, part := range strings.Split(tour, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}
