package repo

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// files returns the paths of the repository's files, from the top directory:
// what git tracks, or, where there is no git, what is there but for the
// directories that git would ignore.
func files(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--full-name")
	cmd.Dir = bridge.Root
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		paths := strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(paths, func(p string) bool { // deleted, but not yet for git
			_, err := os.Lstat(filepath.Join(bridge.Root, p))
			return err != nil
		})
	}
	var paths []string
	err := filepath.WalkDir(bridge.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err = filepath.Rel(bridge.Root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (slices.Contains([]string{".git", "bin", "data"}, path) || slices.Contains([]string{"dist", "node_modules"}, d.Name())):
			return fs.SkipDir
		case !d.IsDir():
			paths = append(paths, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestTopLevel keeps the top of the repository as it was agreed.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "ingress", "publisher", "schema", "config", "deployments", "test", "docs",
		"go.mod", "go.sum", "Makefile", "README.md", "CHANGELOG.md", "LICENSE",
	}
	for _, path := range files(t) {
		top, _, _ := strings.Cut(path, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s: %q has no place at the top level; there are %s", path, top, strings.Join(allowed, ", "))
		}
	}
}

// machinePath is a path that only exists on one machine. It is written
// so that this file does not match it.
var machinePath = regexp.MustCompile(`(^|[\s"'=:(` + "`" + `])/(roo[t]|hom[e]|wor[k]|User[s])/[\w.-]`)

// TestNoMachinePaths: a path of the machine that a file was written on means
// nothing to anybody else.
func TestNoMachinePaths(t *testing.T) {
	for _, path := range files(t) {
		b, err := os.ReadFile(filepath.Join(bridge.Root, path))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(b, []byte("\n")) {
			if m := machinePath.Find(line); m != nil {
				t.Errorf("%s:%d: %q is a path of one machine", path, i+1, m)
			}
		}
	}
}

// TestPackageDocs: exactly one file of a package carries its documentation; of a package of
// nothing but tests, a test file.
func TestPackageDocs(t *testing.T) {
	for _, p := range goList(t, "./...") {
		files := p.GoFiles
		if len(files) == 0 {
			files = append(p.TestGoFiles, p.XTestGoFiles...)
		}
		var with []string
		for _, name := range files {
			if packageComment(filepath.Join(p.Dir, name)) != "" {
				with = append(with, name)
			}
		}
		if len(with) != 1 {
			t.Errorf("package %s: got its documentation in %d files %v, want it in one", p.name(), len(with), with)
		}
	}
}

// packageComment returns the comment of a file that documents its package; "" for none.
func packageComment(path string) string {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return ""
	}
	return f.Doc.Text()
}
