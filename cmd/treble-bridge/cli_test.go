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
	code, out, _ := clitest.Command(t.Context(), "", "--help")
	if code != cli.ExitFine || !strings.Contains(out, "serve --dev") {
		t.Errorf("help: exit %d, %q", code, out)
	}
	if code, out, _ := clitest.Command(t.Context(), "", "completion", "bash"); code != cli.ExitFine || !strings.Contains(out, "treble-bridge") {
		t.Errorf("completion: exit %d", code)
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := clitest.Command(t.Context(), "", "version")
	if code != cli.ExitFine || !strings.HasPrefix(out, "treble-bridge ") {
		t.Errorf("exit %d, %q", code, out)
	}
	var v map[string]string
	code, out, _ = clitest.Command(t.Context(), "", "version", "--json")
	if err := json.Unmarshal([]byte(out), &v); code != cli.ExitFine || err != nil || v["version"] == "" || v["go"] == "" {
		t.Errorf("exit %d, %q", code, out)
	}
}

func TestConfigCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if code, _, errs := clitest.Command(t.Context(), "", "config", "init", file); code != cli.ExitFine {
		t.Fatalf("init: exit %d, %s", code, errs)
	}
	if code, _, errs := clitest.Command(t.Context(), "", "config", "init", file); code != cli.ExitFailed || !strings.Contains(errs, "exists") {
		t.Errorf("init again: exit %d, %q; want the file untouched", code, errs)
	}
	code, _, errs := clitest.Command(t.Context(), "", "config", "check", "-c", file)
	if code != cli.ExitFailed || !strings.Contains(errs, "auth.bearer: no secret is configured") {
		t.Errorf("check without a secret: exit %d, %q", code, errs)
	}
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "CANARY1")
	t.Setenv("TREBLE_BRIDGE_AUTH_ALLOW_SHORT_SECRETS", "true")
	t.Setenv("TREBLE_BRIDGE_AUTH_BAERER", "x")
	code, out, errs := clitest.Command(t.Context(), "", "config", "check", "-c", file)
	if code != cli.ExitFine || out != "the configuration is fine\n" || !strings.Contains(errs, "TREBLE_BRIDGE_AUTH_BEARER?") || !strings.Contains(errs, "short") {
		t.Errorf("check: exit %d, %q, %q", code, out, errs)
	}
	code, out, _ = clitest.Command(t.Context(), "", "config", "print", "-c", file, "--data-dir", "/elsewhere")
	if code != cli.ExitFine || !strings.Contains(out, "data_dir: /elsewhere # from flag") || strings.Contains(out, "CANARY1") {
		t.Errorf("print: exit %d\n%s", code, out)
	}
	var settings []struct {
		Key    string
		Value  any
		Origin string
	}
	code, out, _ = clitest.Command(t.Context(), "", "config", "print", "--json")
	if err := json.Unmarshal([]byte(out), &settings); code != cli.ExitFine || err != nil || len(settings) < 30 || strings.Contains(out, "CANARY1") {
		t.Errorf("print --json: exit %d, %v", code, err)
	}
	if err := os.WriteFile(file, []byte("nope: 1\nlog: {level: loud}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs = clitest.Command(t.Context(), "", "config", "check", "-c", file)
	if code != cli.ExitFailed || !strings.Contains(errs, `unknown key "nope"`) || !strings.Contains(errs, "log.level") {
		t.Errorf("check: exit %d, %q; want both problems", code, errs)
	}
	var check configCheckJSON
	code, out, _ = clitest.Command(t.Context(), "", "config", "check", "-c", file, "--json")
	if err := json.Unmarshal([]byte(out), &check); code != cli.ExitFailed || err != nil || check.OK || len(check.Problems) < 2 || check.Warnings == nil {
		t.Errorf("check --json: exit %d, %v, %s; want each problem", code, err, out)
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	code, _, errs := clitest.Command(t.Context(), "", "health", "--url", "http://127.0.0.1:1/readyz")
	if code != cli.ExitFailed || !strings.Contains(errs, "is the bridge running?") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
