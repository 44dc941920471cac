// Package repo holds the rules of this repository: who imports whom, what has its place
// where, and that the documents say what is so. It starts no bridge.
package repo

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const module = "github.com/treble-bridge/treble-bridge"

// listed is what go list says of a package.
type listed struct {
	ImportPath   string
	Dir          string
	Standard     bool
	GoFiles      []string
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
	fields := "-json=ImportPath,Dir,Standard,GoFiles,Imports,TestImports,XTestImports"
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

// part is a part of the module, with the other parts that it may import.
type part struct {
	name string
	may  []string
	why  string
}

// parts are in such an order that a package belongs to the first one that it
// is inside of.
var parts = []part{
	{"schema", nil, "consumers import schema, so it brings nothing with it"},
	{"config/value", nil, "every part uses it for its own Config, so it imports none of them"},
	{"ingress", []string{"schema", "config/value"}, "ingress declares the Accepter that it needs and knows nobody who has one"},
	{"publisher", []string{"schema", "config/value"}, "publisher takes deliveries and does not know where they come from"},
	{"config", []string{"schema", "ingress", "publisher"}, "config composes the Configs of the parts; cmd uses it"},
	{"cmd", []string{"schema", "config", "ingress", "publisher"}, "cmd wires the parts; deployments and test are not parts"},
	{"deployments", nil, "what builds a release starts the Go tool and imports no part"},
	{"test", []string{"schema", "config", "ingress", "publisher"}, "tests start the real command; they do not import it"},
}

// TestArrowsBetweenParts holds who may import whom in this module, for the
// tests of a part too.
func TestArrowsBetweenParts(t *testing.T) {
	for _, p := range goList(t, "./...") {
		i := slices.IndexFunc(parts, func(r part) bool { return inside(p.name(), r.name) })
		if i < 0 {
			t.Errorf("package %s belongs to no part: see docs/ARCHITECTURE.md", p.ImportPath)
			continue
		}
		from := parts[i]
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			to := below(imported)
			if to != "" && !inside(to, from.name) && !inside(to, from.may...) {
				t.Errorf("%s imports %s: %s", p.name(), to, from.why)
			}
		}
	}
}

// TestLibrariesHaveOneHome holds which part a library belongs to, so that no
// other part needs to know it. Tests may use what they like.
func TestLibrariesHaveOneHome(t *testing.T) {
	homes := []struct{ library, home string }{
		{"github.com/nats-io/", "publisher"},
		{"github.com/labstack/echo/", "ingress"},
		{"github.com/spf13/viper", "config"},
		{"github.com/spf13/cobra", "cmd"},
		{"github.com/testcontainers/", "test"},
		{"github.com/moby/", "test"},
		{"github.com/cloudevents/", "test"},
		{"github.com/santhosh-tekuri/", "test"},
	}
	for _, p := range goList(t, "./...") {
		if inside(p.name(), "test") {
			continue // it holds nothing but tests and their helpers
		}
		for _, imported := range p.Imports {
			for _, h := range homes {
				if strings.HasPrefix(imported, h.library) && !inside(p.name(), h.home) {
					t.Errorf("%s imports %s: only %s may; the others use what it offers", p.name(), imported, h.home)
				}
			}
		}
	}
}

// TestDependenciesStayOut follows the imports to the end: what a part must not
// bring with it, however many packages lie between.
func TestDependenciesStayOut(t *testing.T) {
	t.Run("schema", func(t *testing.T) {
		for _, p := range goList(t, "-deps", "./schema/...") {
			if !p.Standard && !inside(p.name(), "schema") {
				t.Errorf("schema depends on %s: a consumer must get nothing but the standard library with it", p.ImportPath)
			}
		}
	})
	t.Run("daemon", func(t *testing.T) {
		for _, p := range goList(t, "-deps", "./cmd/...") {
			if inside(p.name(), "schema/schematest", "schema/internal") {
				t.Errorf("the command depends on %s: that is for tests", p.name())
			}
		}
	})
	for name, banned := range map[string]string{"ingress": "github.com/nats-io/", "publisher": "github.com/labstack/echo/"} {
		t.Run(name, func(t *testing.T) {
			for _, p := range goList(t, "-deps", "./"+name+"/...") {
				if strings.HasPrefix(p.ImportPath, banned) {
					t.Errorf("%s depends on %s: HTTP and NATS meet only in cmd", name, p.ImportPath)
				}
			}
		})
	}
}
