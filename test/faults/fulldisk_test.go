package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestFullDisk lets the journal fill a small file system while NATS is away,
// twice, and kills the bridge on the full disk: 200 turns into 503, nothing is
// lost, and once NATS is back, events are accepted again without help.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("reserve", func(t *testing.T) { fullDisk(t, "4MiB", false) })
	t.Run("no-reserve", func(t *testing.T) { fullDisk(t, "0", false) })
	t.Run("no-space-left", func(t *testing.T) { fullDisk(t, "0", true) })
}

// fullDisk fills the disk with the journal, or lets somebody else fill it to the
// last byte, so that the write itself fails (ENOSPC).
func fullDisk(t *testing.T, reserve string, other bool) {
	const size = 48 // MiB
	k := newKiller(t, killExternal, smallDisk(t, size), 16, 5000, "TREBLE_BRIDGE_JOURNAL_RESERVE="+reserve)
	ballast := ""
	if other {
		ballast = filepath.Join(k.dataDir, "ballast")
	}

	k.start()
	k.fill(ballast)
	k.resume(ballast)
	k.fill(ballast)
	k.bridge.Kill()
	k.clients.PauseAndWait(t)
	k.bridge = bridge.Launch(t, k.dataDir, k.env...) // on a full disk: it takes nothing yet
	k.bridge.Listening()
	k.clients.To(k.bridge.Addrs.Ingress)
	k.resume(ballast)

	k.finish(http.StatusServiceUnavailable)
}

// fill takes NATS away until the journal is full. With ballast the disk is filled
// by a file of that name.
func (k *killer) fill(ballast string) {
	k.t.Helper()
	k.proxy.Freeze()
	began := k.oracle.Now()
	if ballast != "" {
		k.accepts(began, 100)
		fillDisk(k.t, ballast)
	}
	k.accepts(began, 100)
	k.refuses(began, 500)
}

// resume gives NATS back, and the ballast's room, and waits until the bridge
// takes what comes.
func (k *killer) resume(ballast string) {
	k.t.Helper()
	if ballast != "" {
		if err := os.Remove(ballast); err != nil {
			k.t.Error(err)
		}
	}
	began := k.oracle.Now()
	k.proxy.Cut()
	k.proxy.Up()
	k.accepts(began, 500)
}

// fillDisk writes a file until there is no space left.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// smallDisk mounts a file system of so many MiB.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", size), "tmpfs", dir).CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a tmpfs: %v: %s", err, out)
		}
		t.Skipf("cannot mount a tmpfs, which takes root on Linux: %v: %.100s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}
