package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// destructive are commands that take something away. The words of a command may be in one
// text, or each a text of its own.
var destructive = []*regexp.Regexp{
	regexp.MustCompile(`\bnats\b.*\b(stream|str|consumer|con|kv|object|obj)\s+(rm|rmm|del|delete|purge|seal|shred)\b`),
	regexp.MustCompile(`\bnats\b.*\b(stream|str)\s+(restore|edit\s.*(--no-mirror|--max-(age|bytes|msgs|consumers)=[1-9]))`),
	regexp.MustCompile(`\bnats\b.*\b(account|server)\s.*\b(purge|rm|delete)\b`),
	regexp.MustCompile(`(^|&&|;|\|)\s*(sudo\s+)?(rm|shred|truncate|dd|mkfs|mv)\s+\S`),
	regexp.MustCompile(`(^|&&|;|\|)\s*(sudo\s+)?(kill|pkill|killall|systemctl\s+(stop|kill|restart))\s+\S`),
	regexp.MustCompile(`^(rm|shred|kill|pkill|killall)$`), // a word of a command
}

// TestNoFixDestroys: no text in the program is, or could become, a line that deletes
// something when it is pasted, whoever owns it; and a stream is edited by one function
// only, which is given the bridge's own.
func TestNoFixDestroys(t *testing.T) {
	t.Parallel()
	seen := 0
	eachText(t, func(where, text string) {
		seen++
		for _, verb := range destructive {
			if found := verb.FindString(text); found != "" {
				t.Errorf("%s: %q in %q", where, found, text)
			}
		}
		for _, verb := range []string{"nats stream edit", "nats consumer edit"} {
			if strings.Contains(text, verb) && !strings.HasPrefix(where, "publisher/streams/fix.go:") && !allowedEdits[text] {
				t.Errorf("%s: %q is not made by editStream of publisher/streams/fix.go", where, text)
			}
		}
	})
	if seen < 1000 {
		t.Errorf("only %d texts were looked at", seen)
	}
}

// allowedEdits change what is not the bridge's own, and take nothing away.
var allowedEdits = map[string]bool{
	"nats consumer edit %s %s --max-pending=%d": true, // raises
}

func TestDestructive(t *testing.T) {
	for line, want := range map[string]bool{
		"nats stream rm TREBLE":                                  true,
		"nats --server x stream purge TREBLE":                    true,
		"nats str del T":                                         true,
		"nats stream backup TREBLE ./b && nats stream rm TREBLE": true,
		"nats consumer rm %s %s":                                 true,
		"nats kv rm B":                                           true,
		"rm %s && serve":                                         true,
		"rm":                                                     true,
		"cd x; sudo rm -rf y":                                    true,
		"kill %d && serve":                                       true,
		"serve; kill -9 %d":                                      true,
		"a kill of the bridge":                                   false,
		"nats stream edit T --max-age=1h":                        true,
		"nats stream edit T --max-msgs=-1":                       false,
		"nats stream info TREBLE":                                false,
		"nats consumer info TREBLE crm":                          false,
		"nats stream add TREBLE":                                 false,
		"form of the stream":                                     false,
	} {
		got := false
		for _, verb := range destructive {
			got = got || verb.MatchString(line)
		}
		if got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// eachText calls f with every text in the source of the program, tests left out.
func eachText(t *testing.T, f func(where, text string)) {
	t.Helper()
	for _, dir := range []string{"cmd", "config", "ingress", "publisher", "schema"} {
		err := filepath.WalkDir(filepath.Join(bridge.Root, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						where := set.Position(lit.Pos())
						rel, _ := filepath.Rel(bridge.Root, where.Filename)
						f(rel+":"+strconv.Itoa(where.Line), text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
