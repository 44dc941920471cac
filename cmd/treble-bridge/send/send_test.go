package send_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/send"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

func TestSendVariesSamples(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	out, _ := clitest.Exits(t, cli.ExitFine, "", "send", "message.read", "--url", r.URL, "--count", "50", "--concurrency", "5", "--json", "--token", "tok", "-H", "X-Own: 1")
	if got := len(r.Bodies); got != 50 {
		t.Errorf("got %d different bodies, want 50", got)
	}
	var sum send.SummaryJSON
	if err := json.Unmarshal([]byte(out), &sum); err != nil || sum.Sent != 50 || sum.OK != 50 || sum.Statuses["200"] != 50 || sum.Latency.Max <= 0 {
		t.Errorf("summary: %v, %s", err, out)
	}
	for _, h := range r.Headers {
		if h.Get("Treble-Test") != sum.Run || sum.Run == "" || h.Get("Authorization") != "Bearer tok" || h.Get("X-Own") != "1" || h.Get("Content-Type") != "application/json" {
			t.Fatalf("headers: got %v", h)
		}
	}
	if n := r.Most.Load(); n > 5 {
		t.Errorf("got %d requests at once, want at most 5", n)
	}
}

func TestSendSame(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	clitest.Exits(t, cli.ExitFine, "", "send", "message.read", "--url", r.URL, "--count", "3", "--same")
	if r.Bodies[clitest.Sample(t, "message.read")] != 3 {
		t.Errorf("got %v, want the sample three times", r.Bodies)
	}
}

func TestSendFileAndStdinAsTheyAre(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	const body = ` {"session_id": "fixed" }`
	file := clitest.File(t, "body.json", body)
	for _, args := range [][]string{{file}, {"--file", file}, {"-"}} {
		clitest.Exits(t, cli.ExitFine, body, append([]string{"send", "--url", r.URL}, args...)...)
	}
	if r.Bodies[body] != 3 {
		t.Errorf("got %v", r.Bodies)
	}
}

func TestSendFailsIfOneWasNot200(t *testing.T) {
	r := clitest.NewReceiver(t, func(n int) int {
		if n == 2 {
			return 503
		}
		return 200
	})
	out, errs := clitest.Exits(t, cli.ExitFailed, "", "send", "message.read", "--url", r.URL, "--count", "3")
	if !strings.Contains(out, "200: 2, 503: 1") || !strings.Contains(errs, "1 of 3") {
		t.Errorf("got %q, %q", out, errs)
	}
	if strings.Contains(out, "\x1b") || !strings.Contains(out, `answer \u001b[2J`) {
		t.Errorf("the answer must be shown without its controls: %q", out)
	}
}

func TestSendKeepsTheConfiguredSecretFromOthers(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	t.Setenv("TREBLE_BRIDGE_AUTH_BEARER", "secret-of-our-bridge-4d1e")
	clitest.Exits(t, cli.ExitFine, "", "send", "message.read", "--url", r.URL)
	if got := r.Headers[0].Get("Authorization"); got != "" {
		t.Error("the configured secret went to the address of --url")
	}
	// No bridge runs here: somebody else listens on its address.
	dir := t.TempDir()
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", dir)
	t.Setenv("TREBLE_BRIDGE_INGRESS_ADDR", strings.TrimPrefix(r.URL, "http://"))
	if _, errs := clitest.Exits(t, cli.ExitFailed, "", "send", "message.read"); !strings.Contains(errs, "no bridge runs on data_dir") {
		t.Error(errs)
	}
	if len(r.Headers) != 1 {
		t.Error("something was sent to whoever has the address of a bridge that does not run")
	}
	lock, err := datadir.Acquire(dir) // as a bridge does
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	clitest.Exits(t, cli.ExitFine, "", "send", "message.read")
	if got := r.Headers[1].Get("Authorization"); got != "Bearer secret-of-our-bridge-4d1e" {
		t.Error("without --url the configured secret must be used")
	}
}

// TestSendTokenFile: a token need not be where the list of processes shows it.
func TestSendTokenFile(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	file := clitest.File(t, "token", "token-of-a-file-77\n")
	for _, tt := range []struct {
		in   string
		args []string
		want string
	}{
		{"", []string{"message.read", "--token-file", file}, "Bearer token-of-a-file-77"},
		{"token-of-a-pipe-78\n", []string{"message.read", "--token-file", "-"}, "Bearer token-of-a-pipe-78"},
		{"", []string{"message.read", "--token-file", file, "--token", "x"}, ""},
		{"", []string{"message.read", "--token-file", "-"}, ""},
		{"{}", []string{"-", "--token-file", "-"}, ""},
		{"", []string{"message.read", "--token-file", file + "-that-is-not-there"}, ""},
	} {
		before := len(r.Headers)
		code, _, errs := clitest.Command(t.Context(), tt.in, append([]string{"send", "--url", r.URL}, tt.args...)...)
		if (code == cli.ExitFine) != (tt.want != "") {
			t.Errorf("%q: exit %d, %s", tt.args, code, errs)
		}
		if tt.want == "" {
			if len(r.Headers) != before || !strings.Contains(errs, "--token-file") {
				t.Errorf("%q: sent %d, %s; want an error that names --token-file", tt.args, len(r.Headers)-before, errs)
			}
		} else if got := r.Headers[len(r.Headers)-1].Get("Authorization"); got != tt.want {
			t.Errorf("%q: got another token", tt.args)
		}
	}
}

// TestSendTokenWarns: a token on the command line is warned of, in one line that names the better way.
func TestSendTokenWarns(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	_, errs := clitest.Exits(t, cli.ExitFine, "", "send", "message.read", "--url", r.URL, "--token", "token-of-a-line-79")
	if strings.Count(errs, "--token-file") != 1 || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "token-of-a-line-79") {
		t.Errorf("got %q; want one line that names --token-file, without the token", errs)
	}
	if got := r.Headers[0].Get("Authorization"); got != "Bearer token-of-a-line-79" {
		t.Error("the token is not used")
	}
}

func TestSendInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := clitest.NewReceiver(t, func(n int) int {
		if n == 3 {
			cancel()
		}
		return 200
	})
	code, out, errs := clitest.Command(ctx, "", "send", "message.read", "--url", r.URL, "--count", "1000000")
	if code != cli.ExitFailed || !strings.Contains(errs, "interrupted after") || !strings.Contains(out, "answers  200: ") {
		t.Errorf("exit %d, %q, %q; want a summary", code, out, errs)
	}
}

func TestSendRate(t *testing.T) {
	r := clitest.NewReceiver(t, clitest.Always(200))
	began := time.Now()
	clitest.Exits(t, cli.ExitFine, "", "send", "message.read", "--url", r.URL, "--count", "5", "--rate", "20", "--concurrency", "5")
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("five at 20 a second took %s, want at least 200ms", took)
	}
}

func TestSendToNobody(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	out, errs := clitest.Exits(t, cli.ExitFailed, "", "send", "message.read", "--url", "http://127.0.0.1:1/webhook")
	if !strings.Contains(out, "cannot connect: 1") || !strings.Contains(errs, "is the bridge running?") {
		t.Errorf("got %q, %q", out, errs)
	}
}
