package redact_test

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/redact"
)

func TestEditLiteralsKeepsTheRest(t *testing.T) {
	const doc = "{ \"a\" : [1, -2.5e3, \"x\\\"y\\u00e9\"],\n\t\"b\":{\"c\":null,\"d\":true} ,\"e\":\"\"}"
	var seen []string
	out, err := redact.EditLiterals([]byte(doc), func(l redact.Literal) (string, bool) {
		seen = append(seen, l.Key+"="+l.Text)
		return "new", l.Text == "-2.5e3"
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Replace(doc, "-2.5e3", `"new"`, 1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := strings.Join(seen, "|"), `=a|a=1|a=-2.5e3|a=x"yé|=b|=c|=d|=e|e=`; got != want {
		t.Errorf("literals: got %s, want %s", got, want)
	}
	if _, err := redact.EditLiterals([]byte(`{"a":`), nil); err == nil {
		t.Error("half a document: want an error")
	}
}
