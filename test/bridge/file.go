package bridge

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
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

// Root is the top directory of the repository, from a package of test/.
const Root = "../.."

// Testdata has the payloads, as Treble sends them, with their golden envelopes.
const Testdata = Root + "/test/testdata"
