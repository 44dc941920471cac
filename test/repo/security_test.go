package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestSecurityNamesTests: the tests that docs/security.md names as a proof are there.
func TestSecurityNamesTests(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir(bridge.Root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != bridge.Root || d.Name() == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		code.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(bridge.ReadFile(t, filepath.Join(bridge.Root, "docs", "security.md")), -1)
	if len(names) == 0 {
		t.Fatal("docs/security.md names no test")
	}
	for _, name := range names {
		if !strings.Contains(code.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("docs/security.md names %s, which is no test", name[1])
		}
	}
}
