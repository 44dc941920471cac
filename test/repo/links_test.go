package repo

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestReadmeConsumer keeps the README's program and the one that runs equal.
func TestReadmeConsumer(t *testing.T) {
	program := bridge.ReadFile(t, "../consumer/main.go")
	want := program[strings.Index(program, "package main"):]
	if got := bridge.CodeBlocks(bridge.ReadFile(t, filepath.Join(bridge.Root, "README.md")), "go"); !slices.Equal(got, []string{want}) {
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
	for _, doc := range append(docs, filepath.Join(bridge.Root, "README.md"), filepath.Join(bridge.Root, "CHANGELOG.md"),
		filepath.Join(bridge.Root, ".github", "CONTRIBUTING.md"), filepath.Join(bridge.Root, ".github", "SECURITY.md")) {
		for _, m := range link.FindAllStringSubmatch(bridge.ReadFile(t, doc), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", doc, m[1], err)
			}
		}
	}
}

// TestEventsDocument wants every kind in both tables of docs/events.md: what it means, and what
// it is read from.
func TestEventsDocument(t *testing.T) {
	text := bridge.ReadFile(t, filepath.Join(bridge.Root, "docs", "events.md"))
	for _, k := range schema.Kinds() {
		if n := strings.Count(text, "\n| `"+string(k)+"`"); n < 2 {
			t.Errorf("docs/events.md has %s in %d tables, want 2: the table of kinds is written by hand, the one of what must be there by requirements in schema/delivery/requirements_test.go", k, n)
		}
	}
}

// pathOfOurs is the path of a file or a folder of the repository, as documents and comments
// name it.
var pathOfOurs = regexp.MustCompile(`(?:^|[\s(` + "`" + `])((?:\./)?(?:cmd|config|deployments|docs|ingress|publisher|schema|test)/[\w.*/-]*[\w*])`)

// TestPathsInText: a file or a package that a document or a comment names is there.
func TestPathsInText(t *testing.T) {
	seen := 0
	check := func(where, text string) {
		for _, m := range pathOfOurs.FindAllStringSubmatch(text, -1) {
			seen++
			if found, err := filepath.Glob(filepath.Join(bridge.Root, m[1])); err != nil || len(found) == 0 {
				t.Errorf("%s names %s, and there is no such file or package", where, m[1])
			}
		}
	}
	for _, path := range files(t) {
		switch {
		case path == "CHANGELOG.md", strings.HasPrefix(path, "docs/adr/"): // they tell of what was
		case strings.HasSuffix(path, ".md"):
			for i, line := range strings.Split(bridge.ReadFile(t, filepath.Join(bridge.Root, path)), "\n") {
				check(fmt.Sprintf("%s:%d", path, i+1), line)
			}
		case strings.HasSuffix(path, ".go"):
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, filepath.Join(bridge.Root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range f.Comments {
				for _, c := range group.List {
					check(fmt.Sprintf("%s:%d", path, set.Position(c.Pos()).Line), c.Text)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("got only %d paths in all of the text", seen)
	}
}

// besideFile finds names that stand beside a file, such as `a/b.go` `name`, and names which a
// reader looks for as `name` in `a/b.go`.
var (
	besideFile = regexp.MustCompile("`([\\w/]+\\.go)`((?:,? `\\w+`)+)")
	inFile     = regexp.MustCompile("`(\\w+)`(?:,)? (?:in|of) \\(?`([\\w/]+\\.go)`")
	test       = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+\b`)
)

// TestNamesInDocuments: a function or a type that a document names beside its file is there, and
// so is every test that one names.
func TestNamesInDocuments(t *testing.T) {
	var code strings.Builder // of all tests
	for _, path := range files(t) {
		if strings.HasSuffix(path, "_test.go") {
			code.WriteString(bridge.ReadFile(t, filepath.Join(bridge.Root, path)))
		}
	}
	tests := code.String()
	seen, seenTests := 0, 0
	for _, path := range files(t) {
		if !strings.HasSuffix(path, ".md") || path == "CHANGELOG.md" { // which tells of what was
			continue
		}
		text := bridge.ReadFile(t, filepath.Join(bridge.Root, path))
		beside := besideFile.FindAllStringSubmatch(text, -1)
		for _, m := range inFile.FindAllStringSubmatch(text, -1) {
			beside = append(beside, []string{m[0], m[2], m[1]})
		}
		for _, m := range beside {
			if _, err := os.Stat(filepath.Join(bridge.Root, m[1])); err != nil {
				continue // TestPathsInText tells
			}
			code := bridge.ReadFile(t, filepath.Join(bridge.Root, m[1]))
			for _, name := range regexp.MustCompile(`\w+`).FindAllString(m[2], -1) {
				seen++
				if !regexp.MustCompile(`(?m)^\t?(func (\([^)]*\) )?` + name + `\(|(type|var|const) ` + name + `\b|` + name + `\s+(=|:=))`).MatchString(code) {
					t.Errorf("%s names %s in %s, and it is not there", path, name, m[1])
				}
			}
		}
		for _, name := range test.FindAllString(text, -1) {
			seenTests++
			if !strings.Contains(tests, "\nfunc "+name+"(") {
				t.Errorf("%s names %s, and there is no such test", path, name)
			}
		}
	}
	if seen < 20 || seenTests < 50 {
		t.Errorf("got %d functions and types beside their files, and %d tests", seen, seenTests)
	}
}

// TestChangelog: no line stands in CHANGELOG.md twice, as a merge may leave it, and the changes to
// come stand before every version.
func TestChangelog(t *testing.T) {
	seen := map[string]bool{}
	var headings []string
	for line := range strings.Lines(bridge.ReadFile(t, filepath.Join(bridge.Root, "CHANGELOG.md"))) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "- ["):
			if seen[line] {
				t.Errorf("CHANGELOG.md has this twice: %s", line)
			}
			seen[line] = true
		case strings.HasPrefix(line, "## "):
			headings = append(headings, line)
		}
	}
	if len(headings) == 0 || headings[0] != "## Unreleased" {
		t.Errorf("CHANGELOG.md begins with %v, want Unreleased first", headings)
	}
}
