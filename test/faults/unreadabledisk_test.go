package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestUnreadableDisk damages a sector of the journal on a real file system, which then
// fails to read it (EIO): btrfs knows the checksums of its data. The next start loses
// what was in the sector, tells it, and publishes everything else in order.
func TestUnreadableDisk(t *testing.T) {
	t.Parallel()
	const events, size = 120, 20_000
	disk := newBadDisk(t)
	nats := natstest.Start(t)
	dir := filepath.Join(disk.dir, "data")
	p := bridge.ServeOn(t, dir, "TREBLE_BRIDGE_NATS_URL=nats://127.0.0.1:1", "TREBLE_BRIDGE_JOURNAL_RESERVE=1MiB")
	var want []string
	for i := range events {
		session := fmt.Sprintf("on-disk-%03d", i)
		p.PostEvent(t, bridge.ReadEvent(session, i, size))
		want = append(want, session)
	}
	p.Kill()
	disk.damage(want[events/2])
	segments, _ := filepath.Glob(filepath.Join(dir, "journal", "*.seg"))
	if !slices.ContainsFunc(segments, unreadable) {
		t.Fatalf("the disk reads %v without an error", segments)
	}

	env := []string{"TREBLE_BRIDGE_NATS_URL=" + nats.URL, "TREBLE_BRIDGE_JOURNAL_RESERVE=1MiB"}
	p = bridge.ServeOn(t, dir, env...)
	p.Published(t)
	got := bridge.StreamSessions(t, nats.JS)
	kept := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !slices.Contains(got, s) })
	if len(got) < events-2 || len(got) == events || !slices.Equal(got, kept) {
		t.Errorf("got %d of %d events, want all but one or two, in order", len(got), events)
	}
	if m := p.Metrics(t); m["treble_bridge_journal_damaged"] == 0 || m["treble_bridge_stored_events"] != float64(len(got)) {
		t.Errorf("got %g damaged places and %g events stored, want the damage counted, and %d", m["treble_bridge_journal_damaged"], m["treble_bridge_stored_events"], len(got))
	}
	if r := p.Readiness(t.Context()); r.Status != "degraded" || !strings.Contains(r.String(), "damaged") {
		t.Errorf("got %s from /readyz, want degraded, and the damage as a reason", r)
	}
	p.PostEvent(t, bridge.ReadEvent("after", 0, size))
	p.Published(t)
	p.Stop()
	p = bridge.ServeOn(t, dir, env...)
	p.Published(t)
	if again := bridge.StreamSessions(t, nats.JS); !slices.Equal(again, append(got, "after")) {
		t.Errorf("after another start: %s", bridge.Diff(again, append(got, "after")))
	}
	p.Stop()
	t.Logf("%d of %d events published around a sector that cannot be read", len(got), events)
}

// unreadable reports whether reading a file fails with EIO.
func unreadable(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return strings.Contains(fmt.Sprint(err), syscall.EIO.Error())
}

// badDisk is a file system on a file, whose sectors can be damaged.
type badDisk struct {
	t     *testing.T
	image string
	dir   string // where it is mounted
}

// newBadDisk skips the test where the host has no btrfs.
func newBadDisk(t *testing.T) *badDisk {
	t.Helper()
	d := &badDisk{t: t, image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	if err := errors.Join(os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 192<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.btrfs", "-q", "-d", "single", "-m", "single", d.image).CombinedOutput(); err != nil {
		t.Skipf("cannot make a btrfs, so no real EIO: %v: %.100s", err, out)
	}
	if out, err := d.mount(); err != nil {
		t.Skipf("cannot mount a btrfs, which takes root and a kernel that has it, so no real EIO: %v: %.100s", err, out)
	}
	t.Cleanup(d.umount)
	return d
}

func (d *badDisk) mount() ([]byte, error) {
	return exec.CommandContext(d.t.Context(), "mount", "-t", "btrfs", "-o", "loop", d.image, d.dir).CombinedOutput()
}

func (d *badDisk) umount() {
	if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
		d.t.Errorf("umount: %v: %s", err, out)
	}
}

// damage changes a byte of a file that has this text in it, on the disk.
func (d *badDisk) damage(text string) {
	d.t.Helper()
	d.umount()
	b, err := os.ReadFile(d.image)
	if err != nil {
		d.t.Fatal(err)
	}
	at := bytes.Index(b, []byte(text))
	if at < 0 {
		d.t.Fatalf("%s is not on the disk", text)
	}
	f, err := os.OpenFile(d.image, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{b[at] ^ 1}, int64(at))
	if err := errors.Join(err, f.Close()); err != nil {
		d.t.Fatal(err)
	}
	if out, err := d.mount(); err != nil {
		d.t.Fatalf("mount: %v: %s", err, out)
	}
}
