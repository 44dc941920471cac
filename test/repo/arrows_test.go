// Package repo holds the rules of this repository: which packages may import which, which files
// have a place where, and that the documents are true. It starts no bridge.
package repo

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/doc"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

var update = flag.Bool("update", false, "write the table of packages into docs/packages.md")

const module = "github.com/treble-bridge/treble-bridge"

// listed is the output of go list for a package.
type listed struct {
	ImportPath   string
	Dir          string
	Doc          string // the first sentence of its comment
	Standard     bool
	GoFiles      []string
	TestGoFiles  []string // inside the package
	XTestGoFiles []string // and outside of it
	Imports      []string // of the package itself
	TestImports  []string // of its tests inside the package
	XTestImports []string // and outside of it
}

// name returns the package's path below the module, such as "ingress/auth".
func (p listed) name() string { return below(p.ImportPath) }

// below cuts the module's path off an import path; it is "" for other modules.
func below(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// goList runs go list in the top directory.
func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	fields := "-json=ImportPath,Dir,Doc,Standard,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports"
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", fields}, args...)...)
	cmd.Dir = bridge.Root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.Bytes())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		all = append(all, p)
	}
}

// inside reports whether a package is one of the parts or below one of them.
func inside(name string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool {
		return name == part || strings.HasPrefix(name, part+"/")
	})
}

// rowOf returns the row of a package; nil if it has none.
func rowOf(name string) *row {
	for i := range packages {
		if packages[i].name == name {
			return &packages[i]
		}
	}
	return nil
}

// TestArrows holds every package against its row in packages: its imports of this module are
// those of the row, and every library that it imports is one that the row names.
func TestArrows(t *testing.T) {
	found := map[string]bool{}
	for _, p := range goList(t, "./...") {
		found[p.name()] = true
		r := rowOf(p.name())
		if r == nil {
			t.Errorf("package %s has no row in packages_test.go: write down what it may import", p.name())
			continue
		}
		for _, problem := range r.check(p.Imports) {
			t.Error(problem)
		}
	}
	for _, r := range packages {
		if !found[r.name] {
			t.Errorf("packages_test.go has a row for %s, and there is no such package", r.name)
		}
	}
}

// check holds the imports of a package against its row.
func (r *row) check(imports []string) (problems []string) {
	may, names := strings.Fields(r.imports), strings.Fields(r.libraries)
	used := map[string]bool{}
	for _, path := range imports {
		if to := below(path); to != "" {
			if used[to] = true; !slices.Contains(may, to) {
				problems = append(problems, fmt.Sprintf("%s imports %s, and its row in packages_test.go does not say so", r.name, to))
			}
			continue
		}
		if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
			continue // the standard library
		}
		name := library(path)
		if used[name] = true; name == "" && !inside(path, everybodys...) {
			problems = append(problems, fmt.Sprintf("%s imports %s, which is not among the libraries of packages_test.go", r.name, path))
		} else if name != "" && !slices.Contains(names, name) {
			problems = append(problems, fmt.Sprintf("%s imports %s: only %s may; the others use what these offer", r.name, path, strings.Join(homes(name), ", ")))
		}
	}
	for _, name := range slices.Concat(may, names) {
		if !used[name] {
			problems = append(problems, fmt.Sprintf("%s does not import %s any more: take it out of its row in packages_test.go", r.name, name))
		}
	}
	return problems
}

// library returns the name of the library that an import path belongs to; "" for none.
func library(path string) string {
	for name, prefix := range libraries {
		if inside(path, prefix) {
			return name
		}
	}
	return ""
}

// homes returns the packages that know a library.
func homes(library string) (names []string) {
	for _, r := range packages {
		if slices.Contains(strings.Fields(r.libraries), library) {
			names = append(names, r.name)
		}
	}
	return names
}

// TestArrowsCheck: a check that never objects holds nothing.
func TestArrowsCheck(t *testing.T) {
	r := &row{name: "x", imports: "schema config", libraries: "viper"}
	for _, c := range []struct{ imports, want string }{
		{module + "/schema " + module + "/config github.com/spf13/viper fmt go.uber.org/zap/zapcore", ""},
		{module + "/schema " + module + "/config github.com/spf13/viper " + module + "/ingress", "x imports ingress, "},
		{module + "/schema " + module + "/config github.com/spf13/viper github.com/nats-io/nats.go/jetstream", "x imports github.com/nats-io/nats.go/jetstream: only "},
		{module + "/schema " + module + "/config github.com/spf13/viper example.com/other", "x imports example.com/other, which is not among "},
		{module + "/schema github.com/spf13/viper", "x does not import config any more"},
		{module + "/schema " + module + "/config", "x does not import viper any more"},
	} {
		got := strings.Join(r.check(strings.Fields(c.imports)), "\n")
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.imports, got, c.want)
		}
	}
}

// TestArrowsOfTests: the tests of a package know its own part, what the package and the part stand
// on, and the helpers of tests; nothing above it.
func TestArrowsOfTests(t *testing.T) {
	for _, p := range goList(t, "./...") {
		if inside(p.name(), "test") {
			continue // they start the bridge and may know everything
		}
		part, _, _ := strings.Cut(p.name(), "/")
		below := standsOn(p.name())
		maps.Copy(below, standsOn(part))
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			to, ours := strings.CutPrefix(imported, module+"/")
			if ours && !inside(to, part) && !below[to] && !inside(to, helpers...) {
				t.Errorf("a test of %s imports %s, which is above it", p.name(), to)
			}
		}
	}
}

// standsOn returns what a package imports, directly and not, by the rows.
func standsOn(name string) map[string]bool {
	all := map[string]bool{}
	var add func(string)
	add = func(name string) {
		if r := rowOf(name); r != nil {
			for _, to := range strings.Fields(r.imports) {
				if !all[to] {
					all[to] = true
					add(to)
				}
			}
		}
	}
	add(name)
	return all
}

// TestDependenciesStayOut follows the imports to the end, through the libraries too: what a
// part must not bring with it, however many packages lie between.
func TestDependenciesStayOut(t *testing.T) {
	t.Run("schema", func(t *testing.T) {
		for _, p := range goList(t, "-deps", "./schema/...") {
			if !p.Standard && !inside(p.name(), "schema") {
				t.Errorf("schema depends on %s: a consumer must get nothing but the standard library with it", p.ImportPath)
			}
		}
	})
	t.Run("daemon", func(t *testing.T) {
		for _, p := range goList(t, "-deps", "./cmd/treble-bridge") {
			if inside(p.name(), append(helpers, "schema/internal")...) {
				t.Errorf("the command depends on %s: that is for tests", p.name())
			}
		}
	})
	for name, banned := range map[string]string{"ingress": "github.com/nats-io", "publisher": "github.com/labstack/echo"} {
		t.Run(name, func(t *testing.T) {
			for _, p := range goList(t, "-deps", "./"+name+"/...") {
				if inside(p.ImportPath, banned) {
					t.Errorf("%s depends on %s: HTTP and NATS meet only in cmd", name, p.ImportPath)
				}
			}
		})
	}
}

// TestPackageSizes: a package that outgrows a reader's head is split, or says why not.
func TestPackageSizes(t *testing.T) {
	for _, p := range goList(t, "./...") {
		r := rowOf(p.name())
		if r == nil {
			continue // TestArrows tells
		}
		lines := 0
		for _, name := range p.GoFiles {
			b, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(b, []byte("\n"))
		}
		mostLines, mostFiles := max(maxLines, r.lines), max(maxFiles, r.files)
		if files := len(p.GoFiles); lines > mostLines || files > mostFiles {
			t.Errorf("package %s has %d lines in %d files, want at most %d in %d", p.name(), lines, files, mostLines, mostFiles)
		} else if (r.lines > 0 || r.files > 0) && lines <= maxLines && files <= maxFiles {
			t.Errorf("package %s has %d lines in %d files: it needs no measure of its own in packages_test.go", p.name(), lines, files)
		}
		if (r.why == "") != (r.lines == 0 && r.files == 0) {
			t.Errorf("the row of %s has a measure of its own or a reason, and not both", p.name())
		}
	}
}

// TestPackageTable holds the table in docs/packages.md against the rows and the packages'
// own comments; -update writes it.
func TestPackageTable(t *testing.T) {
	path := filepath.Join(bridge.Root, "docs", "packages.md")
	text := bridge.ReadFile(t, path)
	got := bridge.Between(t, text, "packages")
	want := packageTable(goList(t, "./..."))
	if *update {
		if err := os.WriteFile(path, []byte(strings.Replace(text, got, want, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != want {
		t.Errorf("the table of packages in docs/packages.md is not current: go test ./test/repo -run TestPackageTable -update")
	}
}

func packageTable(all []listed) string {
	var b strings.Builder
	b.WriteString("| Package | What it does | Imports of the project | Libraries that few know |\n|---|---|---|---|\n")
	sentences := map[string]string{}
	for _, p := range all {
		sentences[p.name()] = sentence(p)
	}
	for _, r := range packages {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.name, sentences[r.name], quoted(r.imports), strings.Join(strings.Fields(r.libraries), ", "))
	}
	return b.String()
}

// sentence is the first one of a package's comment, without the package's name.
func sentence(p listed) string {
	text := p.Doc
	if text == "" { // a package of nothing but tests
		for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
			text = max(text, new(doc.Package).Synopsis(packageComment(filepath.Join(p.Dir, name))))
		}
	}
	for _, prefix := range []string{"Package ", "Command "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			_, text, _ = strings.Cut(rest, " ")
		}
	}
	return strings.TrimSuffix(strings.NewReplacer("[", "", "]", "", "|", `\|`).Replace(text), ".")
}

func quoted(names string) string {
	var all []string
	for _, name := range strings.Fields(names) {
		all = append(all, "`"+name+"`")
	}
	return strings.Join(all, " ")
}

// TestLibraries: every library has a home, so that the list has none that went.
func TestLibraries(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(libraries)) {
		if len(homes(name)) == 0 {
			t.Errorf("no package knows %s any more: take it out of libraries", name)
		}
	}
}
