package clitest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FlipEntry changes a byte in the middle of the n-th entry, and returns where its
// record begins.
func FlipEntry(t *testing.T, dataDir string, n int) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir, "journal", "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("segments: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for range n { // an entry is named by its subject once
		next := bytes.Index(b[at+1:], []byte("\x13treble.message.read"))
		if next < 0 {
			t.Fatalf("fewer than %d entries", n)
		}
		at += 1 + next
	}
	start := bytes.LastIndex(b[:at], []byte("TBJ"))
	b[at+200] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	return int64(start)
}
