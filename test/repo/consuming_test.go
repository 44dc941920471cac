package repo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

const consumingDoc = "../../docs/consuming.md"

// TestConsumingSnippets: the code in docs/consuming.md is a part, word for word,
// of what is compiled and run: the examples of package schema, and the consumer in
// TypeScript.
func TestConsumingSnippets(t *testing.T) {
	for _, c := range []struct{ language, sources string }{
		{"go", "../../schema/example_*_test.go"},
		{"ts", "../consumers/typescript/src/*.ts"},
	} {
		t.Run(c.language, func(t *testing.T) {
			paths, err := filepath.Glob(c.sources)
			if err != nil {
				t.Fatal(err)
			}
			var all strings.Builder
			for _, path := range paths {
				all.WriteString(bridge.ReadFile(t, path))
			}
			snippets := bridge.CodeBlocks(bridge.ReadFile(t, consumingDoc), c.language)
			if len(snippets) == 0 {
				t.Fatalf("%s has no code in %s", consumingDoc, c.language)
			}
			for _, s := range snippets {
				if !strings.Contains(all.String(), s) {
					t.Errorf("%s: this is not in any of %s:\n%s", consumingDoc, c.sources, s)
				}
			}
		})
	}
}

// TestConsumingPython compiles the program in Python, and no more: it needs a
// library that is not here.
func TestConsumingPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing, and CI needs it")
		}
		t.Skip("python3 is missing: the program in docs/consuming.md is not compiled")
	}
	programs := bridge.CodeBlocks(bridge.ReadFile(t, consumingDoc), "python")
	if len(programs) != 1 {
		t.Fatalf("%s has %d programs in Python, want 1", consumingDoc, len(programs))
	}
	path := filepath.Join(t.TempDir(), "consumer.py")
	if err := os.WriteFile(path, []byte(programs[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), python, "-m", "py_compile", path).CombinedOutput(); err != nil {
		t.Errorf("py_compile: %v\n%s", err, out)
	}
}
