package terminal_test

import (
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	table := terminal.NewTable(&out, "NAME", "SIZE", "WHY")
	table.Row("a\tb\nc", 1234, "\x1b[2J")
	table.Row("", 5, "")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME   SIZE  WHY\na b c  1234  \\u001b[2J\n       5     \n"
	if out.String() != want {
		t.Errorf("got\n%q, want\n%q", out.String(), want)
	}
}
