package repo

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/test/bridge"
)

// TestTypeScriptTypes tests that the types of the TypeScript consumer are made
// from the schemas as they are now. It needs no Node: the file says what it is
// made from. What the generator gives is compared by TestDeployTypeScript.
func TestTypeScriptTypes(t *testing.T) {
	schemas, err := filepath.Glob("../../schema/jsonschema/*.json")
	if err != nil || len(schemas) == 0 {
		t.Fatalf("schemas: got %d files, error %v", len(schemas), err)
	}
	slices.Sort(schemas)
	sum := sha256.New()
	for _, path := range schemas {
		if filepath.Base(path) != "envelope.json" {
			sum.Write([]byte(bridge.ReadFile(t, path)))
		}
	}
	const types = "../consumers/typescript/src/events.ts"
	if want := fmt.Sprintf("// schemas: sha256 %x\n", sum.Sum(nil)); !strings.Contains(bridge.ReadFile(t, types), want) {
		t.Errorf("%s is made from other schemas: in %s, run npm ci && npm run generate", types, filepath.Dir(filepath.Dir(types)))
	}
}
