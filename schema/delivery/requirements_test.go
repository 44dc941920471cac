package delivery

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const eventsDoc = "../../docs/events.md"

// TestRequiredFieldsDocumented holds the table of docs/events.md to the forms.
// With -update it writes the table.
func TestRequiredFieldsDocumented(t *testing.T) {
	const begin, end = "<!-- required:begin -->\n", "<!-- required:end -->"
	b, err := os.ReadFile(eventsDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no block between %q and %q", eventsDoc, begin, end)
	}
	want := requirements()
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(eventsDoc, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s (go test ./schema/delivery -run RequiredFields -update writes it)\ngot:\n%s\nwant:\n%s", eventsDoc, got, want)
	}
}

func requirements() string {
	forms := []struct {
		name string
		form *form
	}{
		{"", formRead}, {"", formDelivered}, {"", formResponded}, {"", formTimedOut}, {"", formOptedOut}, {"", formCondition},
		{" (`session.close`)", formClosed}, {" (older)", formClosedOlder}, {" (older, HubSpot)", formClosedHubspot},
		{"", formHSM}, {"", formFailed}, {"", formProbe}, {"", formFlow}, {"", formUnrecognized},
	}
	var b strings.Builder
	b.WriteString("| Kind | Refused without | Warned about if missing |\n|---|---|---|\n")
	for _, f := range forms {
		var needed []string
		for _, g := range f.form.identify {
			needed = append(needed, g.name)
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", f.form.kind, f.name, code(needed, " or "), code(names(f.form.expected), ", "))
	}
	return b.String()
}

func code(names []string, sep string) string {
	if len(names) == 0 {
		return "–"
	}
	return "`" + strings.Join(names, "`"+sep+"`") + "`"
}

func names(fields []field) (names []string) {
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}
