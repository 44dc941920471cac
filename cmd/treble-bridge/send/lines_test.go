package send_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

// ndjson writes a file of n delivery lines.
func ndjson(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"received":"2026-01-31T08:00:0%d.5Z","source":"shop","path":"/hooks/on-%d","body":{"n" : %d}}`+"\n", i%10, i, i)
		if i == 1 {
			b.WriteString("\n")
		}
	}
	return clitest.File(t, "x.ndjson", b.String())
}

func TestSendLines(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	file := ndjson(t, 5)
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "the-configured-secret")
	for _, args := range [][]string{{"--file", file}, {file, "--concurrency", "3"}} {
		code, out, errs := clitest.Command(t.Context(), "", append([]string{"send", "--url", r.URL + "/behind/", "--token", "tok"}, args...)...)
		if code != cli.ExitFine || !strings.Contains(out, "sent 5") || strings.Contains(out, "run") {
			t.Errorf("%v: exit %d, %s%s", args, code, out, errs)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := clitest.Command(t.Context(), string(text), "send", "-", "--ndjson", "--url", r.URL); code != cli.ExitFine || !strings.Contains(out, "sent 5") {
		t.Errorf("standard input: exit %d, %s%s", code, out, errs)
	}
	if r.Bodies[`{"n" : 3}`] != 3 || len(r.Bodies) != 5 {
		t.Errorf("bodies: %v", r.Bodies)
	}
	for _, h := range r.Headers {
		if h.Get(schema.HeaderTest) != "" || !strings.HasPrefix(h.Get(schema.HeaderReceived), "2026-01-31T08:00:0") || strings.Contains(fmt.Sprint(h), "the-configured-secret") {
			t.Errorf("headers: %v", h)
		}
	}
}

// It stops at an answer that says nothing of the line, and names the line.
func TestSendLinesStops(t *testing.T) {
	r := clitest.NewReceiver(t, func(n int) int {
		return map[int]int{2: 422, 4: 503}[n] + map[bool]int{true: 200}[n != 2 && n != 4]
	})
	code, out, errs := clitest.Command(t.Context(), "", "send", "--file", ndjson(t, 9), "--url", r.URL)
	if code != cli.ExitFailed || !strings.Contains(out, "200: 2, 422: 1, 503: 1") || !strings.Contains(errs, "not taken: line 2: 422") ||
		!strings.Contains(errs, "1 line was not taken") || !strings.Contains(errs, "tail -n +5 FILE") { // the third line is empty
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if len(r.Bodies) != 4 {
		t.Errorf("got %v after it should have stopped", r.Bodies)
	}
}

func TestSendLinesChecksFirst(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	file := ndjson(t, 3)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"malformed": {string(text) + "{\n", "line 5 is no delivery: is no JSON object; nothing was sent"},
		"empty":     {"\n\n", "holds no delivery"},
	} {
		file := clitest.File(t, name+".ndjson", c.text)
		if code, _, errs := clitest.Command(t.Context(), "", "send", file, "--url", r.URL); code != cli.ExitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %s", name, code, errs)
		}
	}
	if len(r.Bodies) > 0 {
		t.Errorf("sent %v", r.Bodies)
	}
	if code, _, errs := clitest.Command(t.Context(), string(text)+"{\n", "send", "-", "--ndjson", "--url", r.URL); code != cli.ExitFailed || !strings.Contains(errs, "stopped, since line 5 is no delivery") || len(r.Bodies) != 3 {
		t.Errorf("standard input: exit %d, %s; sent %v", code, errs, r.Bodies)
	}
	for _, args := range [][]string{{"--count", "2"}, {"--same"}} {
		if code, _, errs := clitest.Command(t.Context(), "", append([]string{"send", file, "--url", r.URL}, args...)...); code != cli.ExitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

// Of its own bridge it knows the sources, and sends nothing that would get other
// ids.
func TestSendLinesKnowsTheSources(t *testing.T) {
	clitest.CheckLeaks(t)
	b := clitest.Start(t, clitest.Config(t))
	defer b.Stop(t)
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", clitest.Secret)
	line := func(source, path string) string {
		return fmt.Sprintf(`{"received":"2026-01-31T08:00:00Z","source":%q,"path":%q,"test":"send-abc","body":{"a":1}}`+"\n", source, path)
	}
	text := line("default", "/webhook") + line("other", "/webhook") + line("default", "/elsewhere") + line("default", "/webhooks/on-/x") + line("default", "/webhooks/on-read/")
	out, _ := b.Command(t, cli.ExitFailed, "send", clitest.File(t, "x.ndjson", text))
	if !strings.Contains(out, "200: 2, its source does not serve its path: 2, its source is not configured: 1") {
		t.Error(out)
	}
	natstest.Eventually(t, "it is a test, since its line says so", func() bool {
		out, _ := b.Command(t, cli.ExitFine, "tail", "--no-follow", "--json")
		return strings.Count(out, `"test":true`) == 2 && strings.Count(out, `"receivedtime":"2026-01-31T08:00:00Z"`) == 2
	})
}
