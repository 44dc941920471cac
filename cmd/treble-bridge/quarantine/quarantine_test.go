package quarantine_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/terminal"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/ingress"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestQuarantineCommands(t *testing.T) {
	clitest.CheckLeaks(t)
	b := clitest.Start(t, clitest.Config(t))
	ids := b.Refuse(t, `{"read_at":"2026-01-01 00:00:00"}`, `{"n":3161234567,"read_at":"2026-01-01 00:00:00"`, ``)
	q := func(want int, args ...string) (string, string) {
		t.Helper()
		return b.Command(t, want, append([]string{"quarantine"}, args...)...)
	}
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", b.Config.DataDir)
	clitest.CheckUsage(t, "quarantine", "", []clitest.WrongUsage{
		{"drop", "drop", "say which: ids"},
		{"retry", "retry", "say which: ids"},
		{"drop-all-reason-not-json", "drop --all --reason not-json", "--all and flags"},
		{"drop-x-all", "drop x --all", "name ids, or choose by flags"},
		{"export-x-path-a", "export x --path /a", "name ids, or choose by flags"},
		{"drop-all", "drop --all", "confirm with --yes"},
		{"retry-all", "retry --all", "confirm with --yes"},
		{"list-reason-nojson", "list --reason nojson", "use one of not-json"},
		{"list-since-1h-until-2h", "list --since 1h --until 2h", "--until: use a time after"},
		{"drop-since-1h-before-2h", "drop --since 1h --before 2h", "--before: use a time after"},
		{"show", "show", "accepts 1 arg"},
		{"show-x-raw-json", "show x --raw --json", "use one of them"},
		{"retry-all-url-bridge-80", "retry --all --url bridge:80", "--url: use http://"},
		{"retry-all-token-a-token-file-b", "retry --all --token a --token-file b", "use one of them"},
	})
	for _, args := range []string{"show nobody", "drop nobody --yes", "retry nobody --yes", "export nobody", "drop " + ids[0] + " nobody --yes"} {
		if _, errs := q(cli.ExitFailed, strings.Fields(args)...); !strings.Contains(errs, "not in the quarantine: nobody") {
			t.Errorf("%s: %s", args, errs)
		}
	}
	if out, _ := q(cli.ExitFine, "show", ids[2]); !strings.Contains(out, "(the body is empty)") {
		t.Errorf("empty: %s", out)
	}
	if out, _ := q(cli.ExitFailed, "retry", "--all", "--dry-run"); strings.Count(out, "refused ") != 3 {
		t.Errorf("dry run: %s", out)
	}

	// NATS is there, and the bridge does not answer.
	_, errs := q(cli.ExitFailed, "retry", "--all", "--yes", "--url", "http://127.0.0.1:1")
	if !strings.Contains(errs, "3 of 3 are left") {
		t.Errorf("%s", errs)
	}
	out, _ := q(cli.ExitFine, "drop", ids[0], ids[2], "--yes")
	if !strings.Contains(out, "deleted 2 refused bodies, run quarantine-drop-") {
		t.Errorf("drop: %s", out)
	}
	if out, _ := q(cli.ExitFine, "list"); !strings.Contains(out, "1 refused body: 1 not-json") || strings.Contains(out, ids[0]) {
		t.Errorf("list: %s", out)
	}
	b.Stop(t)
	if _, errs := q(cli.ExitFailed, "list"); !strings.Contains(errs, "is the bridge running?") {
		t.Errorf("without NATS: %s", errs)
	}
}

// What the bridge does not take stays, and the reason says whether the others are
// tried.
func TestQuarantineRetryKeeps(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	src := ingress.DefaultSource()
	src.Auth, src.Kinds = c.Auth, []string{"message.read"}
	c.Sources = []ingress.SourceConfig{src}
	c.Auth.Bearer = nil
	b := clitest.Start(t, c)
	defer b.Stop(t)
	b.Refuse(t, `{"x":1}`, `{"x":2}`, `{"x":3}`)
	url := clitest.NATSURL(t, c.DataDir)
	for status, want := range map[int]string{
		413: "kept      3, 3 of 3 are left",
		422: "kept      1, 3 of 3 are left, 2 of them not tried: the bridge refuses what this configuration takes",
		401: "kept      1, 3 of 3 are left, 2 of them not tried: the bridge does not take events (401)",
		503: "kept      1, 3 of 3 are left, 2 of them not tried: the bridge does not take events (503)",
	} {
		r := clitest.NewReceiver(t, clitest.Always(status)) // with a configuration that takes all
		code, out, errs := clitest.Command(t.Context(), "token-of-a-pipe", "quarantine", "retry", "--all", "--yes", "--url", r.URL, "--token-file", "-", "--nats-url", url)
		got := fmt.Sprintf("kept      %d, %s", strings.Count(out, "kept "), strings.TrimPrefix(errs, "treble-bridge: "))
		if code != cli.ExitFailed || !strings.HasPrefix(got, want) || len(r.Headers) != strings.Count(out, "kept ") {
			t.Errorf("%d: exit %d\n got %s\nwant %s", status, code, got, want)
		}
		if r.Headers[0].Get("Authorization") != "Bearer token-of-a-pipe" {
			t.Errorf("%d: got another token than that of --token-file", status)
		}
	}
	r := clitest.NewReceiver(t, func(n int) int { return []int{200, 504}[n-1] })
	out, errs := clitest.Exits(t, cli.ExitFailed, "", "quarantine", "retry", "--all", "--yes", "--url", r.URL, "--nats-url", url)
	if strings.Count(out, "accepted  ") != 1 || !strings.Contains(errs, "2 of 3 are left, 1 of them not tried") {
		t.Errorf("got %s%s", out, errs)
	}
	if _, out, _ := clitest.Command(t.Context(), "", "quarantine", "list", "--nats-url", url); !strings.Contains(out, "2 refused bodies: 2 kind-not-accepted") {
		t.Errorf("the one that was taken is to be gone, and no other:\n%s", out)
	}
}

// TestQuarantineRetryToPath: what came to a path of no source goes where the operator says, to the
// source that serves it and with its secret; what came to another is left as it is.
func TestQuarantineRetryToPath(t *testing.T) {
	clitest.CheckLeaks(t)
	t.Setenv("TREBLE_BRIDGE_SOURCES", `[{"name":"first","paths":["/webhook"],"auth":{"bearer":["`+clitest.Secret+`"]}},
		{"name":"second","paths":["/second"],"auth":{"bearer":["another-`+clitest.Secret+`"]}}]`)
	c := clitest.Config(t)
	loaded, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.Sources, c.Auth = loaded.Sources, loaded.Auth
	b := clitest.Start(t, c)
	defer b.Stop(t)
	for _, path := range []string{"/webhok", "/secnod"} {
		if got := clitest.Post(t, "http://"+b.Addrs().Ingress+path, clitest.Secret, `{"session_id":"s`+path+`","read_at":"2026-01-01 00:00:00"}`); got != http.StatusNotFound {
			t.Fatalf("%s: got %d", path, got)
		}
	}
	retry := func(args ...string) (code int, out string) {
		code, out, errs := clitest.Command(t.Context(), "", append([]string{"quarantine", "retry", "--yes", "--data-dir", c.DataDir}, args...)...)
		return code, out + errs
	}
	natstest.Eventually(t, "both are there", func() bool {
		_, out := retry("--all", "--dry-run")
		return strings.Count(out, "name another with --to-path") == 2
	})
	for _, want := range []struct{ from, to, code, says string }{
		{"/secnod", "webhook", "2", "--to-path: use a path"},
		{"/secnod", "/nothing", "2", `--to-path: no source serves "/nothing"`},
		{"/webhok", "/webhook", "0", "message.read"},
		{"/secnod", "/second", "0", "message.read"}, // with another source's secret than it came with
		{"/secnod", "/second", "0", "nothing in the quarantine is chosen"},
	} {
		if code, out := retry("--path", want.from, "--to-path", want.to); fmt.Sprint(code) != want.code || !strings.Contains(out, want.says) {
			t.Errorf("%s to %s: exit %d, %s, want %q", want.from, want.to, code, out, want.says)
		}
	}
	out, _ := b.Command(t, cli.ExitFine, "events", "--json")
	for _, want := range []string{`"source":"/treble/first"`, `"source":"/treble/second"`, `"subject":"s/webhok"`, `"subject":"s/secnod"`} {
		if strings.Count(out, want) != 1 {
			t.Errorf("want %s once in %s", want, out)
		}
	}
}

// TestShowCannotSteerATerminalBehindAPipe: what a pipe ends in may be a terminal, so of a refused
// body only --raw has its control characters.
func TestShowCannotSteerATerminalBehindAPipe(t *testing.T) {
	b := clitest.Start(t, clitest.Config(t))
	defer b.Stop(t)
	noJSON := "\x1b]0;title\x07 \u009b2J \x9b2J \u202e\x00\x7f"
	isJSON := `["\u001b]0;title","` + "\u009b2J \u202e\u2028\x7f" + `"]`
	ids := b.Refuse(t, noJSON, isJSON)
	show := func(id string, flags ...string) string {
		t.Helper()
		out, _ := b.Command(t, cli.ExitFine, append([]string{"quarantine", "show", id}, flags...)...)
		return out
	}
	raw := []string{show(ids[0], "--raw"), show(ids[1], "--raw")}
	slices.Sort(raw)
	if want := []string{noJSON, isJSON}; !slices.Equal(raw, want) {
		t.Errorf("--raw: got %q, want the exact %q", raw, want)
	}
	for _, id := range ids {
		for _, flags := range [][]string{nil, {"--show-pii"}, {"--json"}, {"--json", "--show-pii"}} {
			out := show(id, flags...)
			if i := strings.IndexFunc(strings.ReplaceAll(out, "\n", ""), terminal.Steers); i >= 0 || !utf8.ValidString(out) {
				t.Errorf("%v: a control character in %q", flags, out)
			}
			if !slices.Contains(flags, "--json") && !strings.Contains(out, `\u009b2J`) {
				t.Errorf("%v: the escaped text is to be shown: %q", flags, out)
			}
		}
	}
}
