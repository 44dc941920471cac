// Package atresttest makes keys for tests of what is encrypted at rest.
package atresttest

import (
	"path/filepath"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
)

// NewFile makes a key file, and returns its path.
func NewFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := atrest.Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Load returns the keys in a file.
func Load(t testing.TB, path string) *atrest.Keys {
	t.Helper()
	k, err := atrest.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
