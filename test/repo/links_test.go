package repo

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestReadmeConsumer keeps the README's program and the one that runs equal.
func TestReadmeConsumer(t *testing.T) {
	program := bridge.ReadFile(t, "../consumer/main.go")
	want := program[strings.Index(program, "package main"):]
	_, rest, ok := strings.Cut(bridge.ReadFile(t, filepath.Join(bridge.Root, "README.md")), "```go\n")
	got, _, _ := strings.Cut(rest, "```\n")
	if !ok || got != want {
		t.Errorf("the program in README.md is not that of test/consumer/main.go:\n%s", got)
	}
}

// TestDocsLinks wants every file that the documents link to.
func TestDocsLinks(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(bridge.Root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, doc := range append(docs, filepath.Join(bridge.Root, "README.md"), filepath.Join(bridge.Root, "CHANGELOG.md")) {
		for _, m := range link.FindAllStringSubmatch(bridge.ReadFile(t, doc), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
	}
}
