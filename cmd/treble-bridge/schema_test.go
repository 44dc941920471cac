package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/schema"
)

func TestSchemaPrintsEachDocument(t *testing.T) {
	for _, d := range schema.Documents() {
		code, out, errs := clitest.Command(t.Context(), "", "schema", d.Name)
		if code != cli.ExitFine || out != string(d.Content()) {
			t.Errorf("%s: exit %d, %d bytes, %s", d.Name, code, len(out), errs)
		}
	}
}

func TestSchemaLists(t *testing.T) {
	for _, args := range [][]string{{"schema"}, {"schema", "--list"}} {
		code, out, _ := clitest.Command(t.Context(), "", args...)
		if lines := strings.Split(strings.TrimSpace(out), "\n"); code != cli.ExitFine || len(lines) != len(schema.Documents()) || !strings.HasPrefix(lines[0], "message.read ") {
			t.Errorf("%v: exit %d, %s", args, code, out)
		}
	}
	code, out, _ := clitest.Command(t.Context(), "", "schema", "--list", "--json")
	var list []map[string]string
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != cli.ExitFine || len(list) != len(schema.Documents()) {
		t.Fatalf("exit %d, %v, %s", code, err, out)
	}
	last := list[len(list)-1]
	if last["name"] != "asyncapi" || last["content_type"] != schema.ContentTypeAsyncAPI || last["title"] == "" {
		t.Errorf("got %v", last)
	}
}
