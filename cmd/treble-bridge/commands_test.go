package main

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/consumers"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/events"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/forget"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/keys"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/quarantine"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/replay"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/send"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
)

// jsonForms maps each command to the form that it prints with --json: a value of its type, or nil
// where it is not a struct of ours. A new command belongs here, or into withoutJSON.
var jsonForms = map[string]any{
	"config check":             configCheckJSON{},
	"config print":             config.Setting{},
	"consumers":                consumers.ConsumerJSON{},
	"doctor":                   doctor.ChecklistJSON{},
	"events":                   events.EventJSON{},
	"forget":                   forget.RunJSON{},
	"health":                   ops.Readiness{},
	"journal export":           journal.MessageExportJSON{},
	"journal set-aside export": journal.MessageExportJSON{},
	"journal set-aside list":   journal.SetAsideJSON{},
	"journal set-aside retry":  journal.RetriedJSON{},
	"journal status":           journal.StatusJSON{},
	"journal verify":           journal.StatusJSON{},
	"keys list":                keys.KeyJSON{},
	"quarantine drop":          quarantine.DropJSON{},
	"quarantine export":        quarantine.ExportJSON{},
	"quarantine list":          quarantine.BodyJSON{},
	"quarantine retry":         quarantine.RetriedJSON{},
	"quarantine show":          quarantine.ShownBodyJSON{},
	"replay":                   replay.RunJSON{},
	"replay list":              replay.RecordJSON{},
	"schema":                   nil, // an array of name, content_type, title
	"send":                     send.SummaryJSON{},
	"tail":                     nil, // the envelope
	"version":                  versionJSON{},
}

// withoutJSON are the commands that print no data.
var withoutJSON = []string{"serve", "config init", "keys create", "keys rotate", "keys drop"}

// eachCommand calls f with every command that does something, by its path without the
// name of the program.
func eachCommand(t *testing.T, f func(t *testing.T, path string, c *cobra.Command)) {
	t.Helper()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "treble-bridge ")
		// A group only says what there is in it.
		if group := c.HasSubCommands() && c.Example == ""; c.HasParent() && !group {
			t.Run(strings.ReplaceAll(path, " ", "-"), func(t *testing.T) { f(t, path, c) })
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(cli.Streams{}))
}

// TestCommandsDocumentTheirJSON: what a command prints is in its help, member by
// member, and docs/commands.md says the same words.
func TestCommandsDocumentTheirJSON(t *testing.T) {
	b, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	seen := map[string]bool{}
	eachCommand(t, func(t *testing.T, path string, c *cobra.Command) {
		seen[path] = true
		if slices.Contains(withoutJSON, path) {
			if c.Flags().Lookup("json") != nil {
				t.Errorf("it has --json: it belongs into jsonForms")
			}
			return
		}
		form, known := jsonForms[path]
		if !known || c.Flags().Lookup("json") == nil {
			t.Fatalf("it has no --json, or jsonForms does not know it")
		}
		_, about, ok := strings.Cut(c.Long, "\n--json prints")
		if !ok {
			t.Fatalf("its help does not say what --json prints")
		}
		about, _, _ = strings.Cut(about, "\n\n")
		for _, name := range members(reflect.TypeOf(form)) {
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(about) {
				t.Errorf("its help does not say what %q is", name)
			}
		}
		_, section, ok := strings.Cut(doc, "\n### "+path+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		want := "--json prints" + strings.TrimRight(about, "\n")
		if !ok || !strings.Contains(oneLine(section), oneLine(want)) {
			t.Errorf("docs/commands.md has no section %q with the words of its help:\n\n### %s\n\n%s\n", path, path, want)
		}
		if _, example, ok := strings.Cut(section, "```json\n"); ok && form != nil {
			dec := json.NewDecoder(strings.NewReader(example))
			dec.DisallowUnknownFields()
			if err := dec.Decode(reflect.New(reflect.TypeOf(form)).Interface()); err != nil {
				t.Errorf("its example in docs/commands.md: %v", err)
			}
		}
	})
	for path := range maps.Keys(jsonForms) {
		if !seen[path] {
			t.Errorf("there is no command %q any more", path)
		}
	}
}

// oneLine joins lines, and takes away what marks code in Markdown.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "`", "")), " ")
}

// members are the names of the JSON members of a type, with those of its parts.
func members(of reflect.Type) []string {
	if of == nil {
		return nil
	}
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return members(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	if of == reflect.TypeFor[time.Time]() || of == reflect.TypeFor[json.RawMessage]() {
		return nil
	}
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			names = append(names, members(f.Type)...)
		case !f.IsExported() || name == "" || name == "-":
		default:
			names = append(append(names, name), members(f.Type)...)
		}
	}
	return names
}

// TestExamplesParse: every command shows itself at work, and what it shows is a line
// that the program takes.
func TestExamplesParse(t *testing.T) {
	eachCommand(t, func(t *testing.T, path string, c *cobra.Command) {
		own := false
		for line := range strings.Lines(c.Example) {
			for _, words := range invocations(line) {
				root := newRoot(cli.Streams{})
				found, rest, err := root.Find(words)
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err == nil {
					err = found.ValidateArgs(found.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: %v", strings.TrimSpace(line), err)
					continue
				}
				own = own || found.CommandPath() == c.CommandPath()
			}
		}
		if !own || c.Short == "" || c.Long == "" {
			t.Errorf("it has no example of itself, or no description")
		}
		if c.Flags().Lookup("yes") != nil && !strings.Contains(oneLine(c.Long), "asks before") {
			t.Errorf("its help does not say that it asks")
		}
	})
}

// shellToken is a word of shell, an operator or a comment.
var shellToken = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"|<>;#])(?:'[^']*'|"[^"]*"|[^\s'"|<>;])*|[|<>;]|#.*`)

// shellQuoted is what stands in quotes, in one or the other.
var shellQuoted = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)

// invocations returns the arguments of each call of the program in a line of shell.
func invocations(line string) (calls [][]string) {
	var words []string
	for _, token := range append(shellToken.FindAllString(line, -1), ";") {
		if !strings.ContainsAny(token[:1], "|<>;#") {
			words = append(words, shellQuoted.ReplaceAllString(token, "$1$2"))
			continue
		}
		for len(words) > 0 && strings.Contains(words[0], "=") {
			words = words[1:] // a variable
		}
		if len(words) > 1 && words[0] == "treble-bridge" {
			calls = append(calls, words[1:])
		}
		words = nil
	}
	return calls
}

func TestInvocations(t *testing.T) {
	got := invocations(`A=b treble-bridge send - -H 'X: a|b' | treble-bridge tail --kind "a b" > file # treble-bridge nothing`)
	want := [][]string{{"send", "-", "-H", "X: a|b"}, {"tail", "--kind", "a b"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
