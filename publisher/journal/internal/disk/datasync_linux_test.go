package disk

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A file system that is not known to write in place is taken for one that does not.
func TestInPlace(t *testing.T) {
	if OS.InPlace("/proc") || OS.InPlace(filepath.Join(t.TempDir(), "none")) {
		t.Error("/proc, or a directory that is not there, is taken for a disk that is written in place")
	}
	dir := t.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if got, want := OS.InPlace(dir), st.Type == 0xef53 || st.Type == 0x58465342; got != want {
		t.Errorf("a file system of type %#x: got %v, want %v", st.Type, got, want)
	}
}
