package delivery_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/schema"
)

// goldenFolder has the golden envelopes for other projects: one a file, by kind.
const goldenFolder = "../schematest/golden"

// TestGoldenFolder keeps the folder equal to the envelopes that TestGolden holds,
// and to them alone. With -update it writes the folder.
func TestGoldenFolder(t *testing.T) {
	want := map[string]string{}
	for _, file := range payloads(t) {
		maps.Copy(want, folderFiles(t, file))
	}
	if *update {
		writeFolder(t, want)
	}
	got := map[string]string{}
	err := fs.WalkDir(os.DirFS(goldenFolder), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got[name] = string(read(t, filepath.Join(goldenFolder, name)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s differs from %s: go test ./schema/delivery -run TestGolden -update", goldenFolder, goldenDir)
	}
}

// folderFiles returns the envelopes of a payload by their place in the folder.
func folderFiles(t *testing.T, payload string) map[string]string {
	t.Helper()
	base := strings.TrimSuffix(filepath.Base(payload), ".json")
	all := eachEnvelope(t, read(t, payload))
	files := map[string]string{}
	for i, envelope := range all {
		e, err := schema.Decode(envelope)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		name := base
		if len(all) > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		files[path.Join(string(e.Kind), name+".json")] = string(envelope)
	}
	return files
}

func writeFolder(t *testing.T, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(goldenFolder); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		name = filepath.Join(goldenFolder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
