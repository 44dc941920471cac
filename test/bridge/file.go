package bridge

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ReadFile returns a file with line feeds alone, whatever git made of them.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
}

// Absolute returns an absolute path.
func Absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// FreePort returns a port that was free a moment ago. The printed commands hold
// the port, so it must be known before the bridge binds it; should another
// process take it meanwhile, the bridge says so.
func FreePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// EachFile calls f with every regular file below a directory; not with such as the socket of a bridge.
func EachFile(t *testing.T, dir string, f func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		f(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Between returns the text of a document between the comments <!-- name:begin --> and <!-- name:end -->.
func Between(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "<!-- "+name+":begin -->\n")
	part, _, ok2 := strings.Cut(rest, "<!-- "+name+":end -->")
	if !ok || !ok2 {
		t.Fatalf("the document has no part %s", name)
	}
	return part
}

// CodeBlocks returns the blocks of code of a language in a document.
func CodeBlocks(text, language string) (blocks []string) {
	for _, part := range strings.Split(text, "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

// Root is the top directory of the repository, from a package of test/.
const Root = "../.."

// Testdata has the payloads, as Treble sends them, with their golden envelopes.
const Testdata = Root + "/test/testdata"
