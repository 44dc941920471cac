package config_test

import (
	"flag"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/config"
)

var update = flag.Bool("update", false, "write the configuration reference into README.md")

const (
	readme = "../README.md"
	begin  = "<!-- config:begin -->\n"
	end    = "<!-- config:end -->"
)

// TestReference keeps the README's configuration reference current. To write
// it: go test ./config -run TestReference -update
func TestReference(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), begin)
	got, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("README.md has no configuration reference between %q and %q", begin, end)
	}
	want := config.Reference()
	if got == want {
		return
	}
	if !*update {
		t.Fatal("the configuration reference in README.md is not current: go test ./config -run TestReference -update")
	}
	if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestKeys(t *testing.T) {
	table := config.Reference()
	seen := map[string]string{}
	for _, k := range slices.Concat(config.Keys(), config.SourceKeys(), config.SecretKeys()) {
		if !regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*$`).MatchString(k.Name) {
			t.Errorf("%q: a field has no mapstructure tag", k.Name)
		}
		if !strings.Contains(table, "| `"+k.Name+"` |") {
			t.Errorf("%s is not in the reference", k.Name)
		}
		if k.Doc == "" {
			t.Errorf("%s: has no doc tag", k.Name)
		}
		if other := seen[k.Env]; other != "" {
			t.Errorf("%s and %s share the variable %s", other, k.Name, k.Env)
		}
		if k.Env != "" {
			seen[k.Env] = k.Name
		}
	}
	if got, want := seen["TREBLE_BRIDGE_PUBLISHER_ACK_TIMEOUT"], "publisher.ack_timeout"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTemplateIsTheDefault(t *testing.T) {
	if got, want := mustLoad(t, config.Template()).Config, config.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Whoever removes the # in front of every key must get the defaults too.
func TestTemplateUncommentedIsTheDefault(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)# ([a-z_]+:( .*)?)$`).ReplaceAllString(config.Template(), "$1$2")
	if !strings.Contains(text, "\n  ack_timeout: 2s\n") {
		t.Fatalf("nothing was uncommented:\n%s", text)
	}
	got := mustLoad(t, text).Config
	withoutEmptyLists(reflect.ValueOf(&got).Elem())
	if want := config.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// withoutEmptyLists makes nothing of lists without entries: [] is as good as that.
func withoutEmptyLists(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			withoutEmptyLists(v.Field(i))
		}
	case v.Kind() == reflect.Slice && v.Len() == 0 && v.CanSet():
		v.SetZero()
	}
}

func TestPrintLoadsAgain(t *testing.T) {
	l := mustLoad(t, "log: {level: debug}\nsources: [{name: a, paths: [/a], auth: {disabled: true}, reply: {Aa: [1]}}]\n")
	first := printed(t, l)
	if !strings.Contains(first, "level: debug # from file") {
		t.Errorf("the origin is missing:\n%s", first)
	}
	second := printed(t, mustLoad(t, first))
	strip := regexp.MustCompile(` # from .*`)
	if got, want := strip.ReplaceAllString(second, ""), strip.ReplaceAllString(first, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
