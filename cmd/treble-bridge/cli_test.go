package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
)

func TestWrongUsage(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	clitest.CheckUsage(t, "", "", []clitest.WrongUsage{
		{"command", "sevre", `unknown command "sevre"`},
		{"command-near", "sevre", "serve"},
		{"subcommand", "config chekc", `do you mean "check"?`},
		{"no-subcommand", "config", "check, print, init"},
		{"flag", "serve --prot 1", "unknown flag: --prot"},
		{"flag-value", "send message.read --count many", "--count"},
		{"argument", "serve now", "unknown command \"now\""},
		{"sample", "send message.raed", `there is no sample "message.raed": use one of condition.evaluated`},
		{"no-sample", "send", "say what to send"},
		{"count", "send message.read --count 0", "--count: use a number above 0"},
		{"rate", "send message.read --rate -1", "--rate"},
		{"concurrency", "send message.read --concurrency 0", "--concurrency"},
		{"header", "send message.read --header secret", "--header: use 'Name: value'"},
		{"url", "send message.read --url bridge:80", "--url: use http://"},
		{"elsewhere", "send message.read --url http://bridge.example/webhook", "confirm with --yes"},
		{"kind", "tail --kind message.red", "use one of message.read"},
		{"since", "tail --since yesterday", "--since: \"yesterday\" is neither"},
		{"raw-and-json", "tail --raw --json", "raw"},
		{"events-raw-and-json", "events --raw --json", "raw"},
		{"events-limit", "events --limit -1", "--limit"},
		{"events-two-choices", "events 17 --kind message.read", "one of them"},
		{"schema", "schema message.red", "use one of message.read, "},
		{"schema-list-and-name", "schema --list message.read", "use one of them"},
		{"schema-two-names", "schema envelope asyncapi", "accepts at most 1"},
		{"consumers-lag", "consumers --max-lag -5m", "--max-lag"},
	})
}

func TestHelp(t *testing.T) {
	for want, args := range map[string][]string{"serve --dev": {"--help"}, "treble-bridge": {"completion", "bash"}} {
		if out, _ := clitest.Exits(t, cli.ExitFine, "", args...); !strings.Contains(out, want) {
			t.Errorf("%v: got %q, want %q in it", args, out, want)
		}
	}
}

func TestVersion(t *testing.T) {
	if out, _ := clitest.Exits(t, cli.ExitFine, "", "version"); !strings.HasPrefix(out, "treble-bridge ") {
		t.Errorf("got %q", out)
	}
	var v map[string]string
	out, _ := clitest.Exits(t, cli.ExitFine, "", "version", "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || v["version"] == "" || v["go"] == "" {
		t.Errorf("%v, %q", err, out)
	}
}

func TestConfigCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	run := func(want int, args ...string) (out, errs string) {
		t.Helper()
		return clitest.Exits(t, want, "", append([]string{"config"}, args...)...)
	}
	run(cli.ExitFine, "init", file)
	if _, errs := run(cli.ExitFailed, "init", file); !strings.Contains(errs, "exists") {
		t.Errorf("init again: %q; want the file untouched", errs)
	}
	if _, errs := run(cli.ExitFailed, "check", "-c", file); !strings.Contains(errs, "auth.bearer: no secret is configured") {
		t.Errorf("check without a secret: %q", errs)
	}
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "CANARY1")
	t.Setenv("TREBLE_BRIDGE_AUTH_ALLOW_SHORT_SECRETS", "true")
	t.Setenv("TREBLE_BRIDGE_AUTH_BAERER", "x")
	if out, errs := run(cli.ExitFine, "check", "-c", file); out != "the configuration is fine\n" || !strings.Contains(errs, "TREBLE_BRIDGE_AUTH_BEARER?") || !strings.Contains(errs, "short") {
		t.Errorf("check: %q, %q", out, errs)
	}
	if out, _ := run(cli.ExitFine, "print", "-c", file, "--data-dir", "/elsewhere"); !strings.Contains(out, "data_dir: /elsewhere # from flag") || strings.Contains(out, "CANARY1") {
		t.Errorf("print:\n%s", out)
	}
	var settings []struct {
		Key    string
		Value  any
		Origin string
	}
	out, _ := run(cli.ExitFine, "print", "--json")
	if err := json.Unmarshal([]byte(out), &settings); err != nil || len(settings) < 30 || strings.Contains(out, "CANARY1") {
		t.Errorf("print --json: %v", err)
	}
	if err := os.WriteFile(file, []byte("nope: 1\nlog: {level: loud}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs := run(cli.ExitFailed, "check", "-c", file); !strings.Contains(errs, `unknown key "nope"`) || !strings.Contains(errs, "log.level") {
		t.Errorf("check: %q; want both problems", errs)
	}
	var check configCheckJSON
	out, _ = run(cli.ExitFailed, "check", "-c", file, "--json")
	if err := json.Unmarshal([]byte(out), &check); err != nil || check.OK || len(check.Problems) < 2 || check.Warnings == nil {
		t.Errorf("check --json: %v, %s; want each problem", err, out)
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	if _, errs := clitest.Exits(t, cli.ExitFailed, "", "health", "--url", "http://127.0.0.1:1/readyz"); !strings.Contains(errs, "is the bridge running?") {
		t.Errorf("got %q", errs)
	}
}
