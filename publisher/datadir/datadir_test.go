package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// To ask whether a directory is in use does not keep a bridge from starting.
func TestHeldBy(t *testing.T) {
	dir := t.TempDir()
	if held, _, err := datadir.HeldBy(dir); held || err != nil {
		t.Errorf("nobody was here: %v, %v", held, err)
	}
	lock, err := datadir.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if held, pid, err := datadir.HeldBy(dir); !held || pid != os.Getpid() || err != nil {
		t.Errorf("locked: %v, %d, %v", held, pid, err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	// Somebody else asks at this moment.
	f, err := os.Open(filepath.Join(dir, datadir.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(30*time.Millisecond, func() { f.Close() })
	if lock, err = datadir.Acquire(dir); err != nil {
		t.Fatalf("lock while somebody asks: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// The lock file may be removed under a running bridge: a second bridge is refused all
// the same.
func TestLockOutlivesItsFile(t *testing.T) {
	dir := t.TempDir()
	lock, err := datadir.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, datadir.LockFile)); err != nil {
		t.Fatal(err)
	}
	var busy *datadir.LockedError
	if _, err := datadir.Acquire(dir); !errors.As(err, &busy) || busy.PID != 0 {
		t.Errorf("Acquire without the file = %v, want a LockedError without a pid", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if lock, err = datadir.Acquire(dir); err != nil {
		t.Fatalf("Acquire after Release: %v", err)
	}
	lock.Release()
}

func TestWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for _, content := range []string{"one", "two"} {
		if err := datadir.WriteFile(dir, "name", []byte(content)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "name")); err != nil || string(b) != content {
			t.Errorf("got %q, %v, want %q", b, err, content)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	if info, err := os.Stat(filepath.Dir(dir)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory above: %v, %v; want 0700", info.Mode(), err)
	}
}

func TestReplaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	for _, mode := range []os.FileMode{0o644, 0o600} {
		if err := datadir.ReplaceFile(path, []byte(mode.String()), mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("got %v, %v, want %v", info, err, mode)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != mode.String() {
			t.Errorf("got %q, %v, want %q", b, err, mode)
		}
	}
	if err := datadir.ReplaceFile(filepath.Join(path, "below"), nil, 0o600); err == nil {
		t.Error("in what is no directory: want an error")
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// TestLockIsNoSymbolicLink: what a link named lock leads to is not written over.
func TestLockIsNoSymbolicLink(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(precious, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, filepath.Join(dir, datadir.LockFile)); err != nil {
		t.Fatal(err)
	}
	l, err := datadir.Acquire(dir)
	if err == nil {
		_ = l.Release()
	}
	if err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("got %v, want an error that names the symbolic link", err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("got %q, %v", b, err)
	}
}
