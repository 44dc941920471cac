package doctor_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/auth"
	"github.com/treble-bridge/treble-bridge/ingress/ops"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/diagnose"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// twoSources are a bridge's whose second one has a secret header and no plain path.
var twoSources = []map[string]any{
	{"name": "sales", "paths": []string{"/sales"}, "auth": map[string]any{"bearer": []string{clitest.Secret}}},
	{"name": "support", "paths": []string{"/support/*"}, "kinds": []string{"message.read"},
		"auth": map[string]any{"header": map[string]any{"name": "X-Api-Key", "values": []string{clitest.Secret + "-2"}}}},
}

// All is well, the probe of each source comes through, and nothing is left of them.
func TestDoctorOfAHealthyBridge(t *testing.T) {
	t.Parallel()
	for _, ack := range []string{"journal", "stream"} {
		t.Run(ack, func(t *testing.T) {
			t.Parallel()
			h := clitest.StartNATS(t, "max_payload: 4MB")
			js := h.JetStream(t)
			p := clitest.NewConfigFile(t, h.URL, "sources", twoSources, "auth.bearer", nil, "publisher.ack", ack)
			b := clitest.Start(t, p.Config)
			defer b.Stop(t)
			natstest.Eventually(t, "it is ready", func() bool { return b.Readiness().Status == ops.Ready })
			list, code := examine(t, p)
			if code != cli.ExitFine || list.Summary.Fail > 0 {
				t.Errorf("exit %d, %+v", code, list.Summary)
			}
			for _, c := range list.Checks {
				// Only that is not known of a NATS that is not ours.
				if c.Status != diagnose.Pass && c.Name != "sync-interval" {
					t.Errorf("%+v", c)
				}
			}
			for _, source := range []string{"sales", "support"} {
				if stages := only(t, list, "probe", source).Stages; stages == nil || stages.Answered <= 0 || stages.Total < stages.Answered {
					t.Errorf("%s: %+v", source, stages)
				}
			}
			if ids := natstest.IDs(t, js, "TREBLE"); len(ids) != 0 {
				t.Errorf("the stream has %q, want nothing", ids)
			}
		})
	}
}

func TestDoctorWithoutProbe(t *testing.T) {
	t.Parallel()
	h := clitest.StartNATS(t)
	p := clitest.NewConfigFile(t, h.URL)
	b := clitest.Start(t, p.Config)
	defer b.Stop(t)
	list, code := examine(t, p, "--no-probe")
	if c := only(t, list, "probe", ""); code != cli.ExitFine || c.Status != diagnose.Skip || !strings.Contains(c.Detail, "--no-probe") {
		t.Errorf("exit %d, %+v", code, c)
	}
	s, err := h.JetStream(t).Stream(t.Context(), "TREBLE")
	if err != nil || s.CachedInfo().State.LastSeq != 0 {
		t.Errorf("something was sent: %v", err)
	}
}

// A stream from which nothing can be deleted keeps the probe, and doctor says so.
func TestDoctorCannotDeleteItsProbe(t *testing.T) {
	t.Parallel()
	h := clitest.StartNATS(t)
	h.Stream(t, func(c *jetstream.StreamConfig) { c.DenyDelete = true })
	p := clitest.NewConfigFile(t, h.URL)
	b := clitest.Start(t, p.Config)
	defer b.Stop(t)
	list, _ := examine(t, p)
	if c := only(t, list, "probe", "default"); c.Status != diagnose.Warn || !strings.Contains(c.Detail, "cannot be deleted") || !strings.HasPrefix(c.Fix, "treble-bridge doctor --no-probe") {
		t.Errorf("%+v", c)
	}
}

func TestDoctorOfABridgeWithAnotherSecret(t *testing.T) {
	t.Parallel()
	p := clitest.NewConfigFile(t, clitest.StartNATS(t).URL)
	other := *p.Config
	other.Auth = auth.Config{Bearer: []value.Secret{"another-secret-of-the-tests"}}
	b := clitest.Start(t, &other)
	defer b.Stop(t)
	list, code := examine(t, p)
	c := only(t, list, "probe", "default")
	if code != cli.ExitFailed || c.Status != diagnose.Fail || !strings.Contains(c.Detail, "401") ||
		!regexp.MustCompile(`^treble-bridge serve --config `+regexp.QuoteMeta(p.Path)+`  # after the running one \(pid \d+\) has ended$`).MatchString(c.Fix) {
		t.Errorf("exit %d, %+v", code, c)
	}
}

// startingBridge is the configuration of a bridge that holds data_dir and does not listen yet.
func startingBridge(t *testing.T) clitest.ConfigFile {
	t.Helper()
	p := clitest.NewConfigFile(t, clitest.StartNATS(t).URL)
	lock, err := datadir.Acquire(p.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Release() })
	return p
}

// TestDoctorOfAStartingBridge: a bridge that holds data_dir and does not listen yet is left to
// start, also where an earlier one ended without a shutdown.
func TestDoctorOfAStartingBridge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		listed time.Duration // age of addr.json when the bridge took data_dir; 0: there is none
		fix    string
	}{
		{"first-start", 0, "treble-bridge doctor --config "},
		{"after-a-kill", time.Hour, "treble-bridge doctor --config "},
		{"it-listened", -time.Hour, "treble-bridge serve --config "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startingBridge(t)
			if tt.listed != 0 {
				file := filepath.Join(p.DataDir, datadir.Addrs)
				if err := (cli.Addrs{Ingress: "127.0.0.1:1", Ops: "127.0.0.1:1"}).Write(file); err != nil {
					t.Fatal(err)
				}
				at := time.Now().Add(-tt.listed)
				if err := os.Chtimes(file, at, at); err != nil {
					t.Fatal(err)
				}
			}
			list, code := examine(t, p, "--no-probe")
			if code != cli.ExitFailed {
				t.Errorf("exit %d", code)
			}
			waits := strings.Contains(tt.fix, "doctor")
			for name, of := range map[string]string{"bridge": "", "ports": "ingress.addr"} {
				if c := only(t, list, name, of); !strings.HasPrefix(c.Fix, tt.fix) || strings.Contains(c.Detail, "starting") != waits {
					t.Errorf("%s: %+v", name, c)
				}
			}
		})
	}
}

// readyElsewhere is the address of an ops listener that says ready.
func readyElsewhere(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status":"ready"}`) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// A bridge that does not run is not taken for running because another one has its addresses.
func TestDoctorOfAnotherBridge(t *testing.T) {
	t.Parallel()
	at := readyElsewhere(t)
	p := clitest.NewConfigFile(t, clitest.StartNATS(t).URL, "ops.addr", at)
	list, code := examine(t, p)
	if c := only(t, list, "bridge", ""); code != cli.ExitFailed || c.Status != diagnose.Fail || !strings.Contains(c.Detail, "; another bridge answers at "+at) {
		t.Errorf("exit %d, %+v", code, c)
	}
	if c := only(t, list, "ports", "ops.addr"); c.Status != diagnose.Fail || !strings.Contains(c.Detail, "is taken by another process") {
		t.Errorf("%+v", c)
	}
	if c := only(t, list, "probe", ""); c.Status != diagnose.Skip {
		t.Errorf("%+v", c)
	}
}

// TestDoctorWaitsForAStart: a bridge that is starting is asked again, at the address that it writes
// then, so that a check behind a restart does not fail for being early.
func TestDoctorWaitsForAStart(t *testing.T) {
	t.Parallel()
	p := startingBridge(t)
	at := readyElsewhere(t)
	written := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() {
		written <- cli.Addrs{Ingress: at, Ops: at}.Write(filepath.Join(p.DataDir, datadir.Addrs))
	})
	list, _ := examine(t, p, "--no-probe")
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if c := only(t, list, "bridge", ""); c.Status != diagnose.Pass {
		t.Errorf("got %+v", c)
	}
}

// What the bridge finds and what doctor finds is the same, word by word.
func TestDoctorOfADegradedBridge(t *testing.T) {
	t.Parallel()
	h := clitest.StartNATS(t)
	h.Stream(t, func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute })
	p := clitest.NewConfigFile(t, h.URL)
	b := clitest.Start(t, p.Config)
	defer b.Stop(t)
	natstest.Eventually(t, "the journal is published from", func() bool {
		r := b.Readiness().Reasons
		return len(r) == 1 && strings.Contains(r[0], "--dupe-window")
	})
	list, code := examine(t, p)
	bridge, stream := only(t, list, "bridge", ""), only(t, list, "stream", "TREBLE")
	const fix = "nats stream edit TREBLE --dupe-window=10m"
	if code != cli.ExitFine || bridge.Status != diagnose.Warn || bridge.Fix != fix || stream.Fix != fix ||
		!strings.Contains(bridge.Detail, "degraded: stream TREBLE: "+stream.Detail) {
		t.Errorf("exit %d\n%+v\n%+v", code, bridge, stream)
	}
}

func TestDoctorOfAStoppedBridge(t *testing.T) {
	t.Parallel()
	p := clitest.NewConfigFile(t, "", "nats.embedded.addr", "127.0.0.1:1")
	list, code := examine(t, p)
	if c := only(t, list, "bridge", ""); code != cli.ExitFailed || c.Status != diagnose.Fail || c.Fix != "treble-bridge serve --config "+p.Path {
		t.Errorf("exit %d, %+v", code, c)
	}
	if c := only(t, list, "nats", ""); c.Status != diagnose.Fail || c.Fix != "treble-bridge serve" {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"probe", "stream", "jetstream", "consumers"} {
		if c := only(t, list, name, ""); c.Status != diagnose.Skip {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// Killed, it leaves its addresses behind.
	gone := cli.Addrs{Ingress: "127.0.0.1:1", Ops: "127.0.0.1:1", NATS: "127.0.0.1:1"}
	file := filepath.Join(p.DataDir, datadir.Addrs)
	if err := gone.Write(file); err != nil {
		t.Fatal(err)
	}
	list, _ = examine(t, p, "--no-probe")
	if c := only(t, list, "bridge", ""); c.Status != diagnose.Warn || c.Fix != "treble-bridge serve --config "+p.Path {
		t.Errorf("%+v", c)
	}
}

// What hangs does not hang doctor.
func TestDoctorEnds(t *testing.T) {
	t.Parallel()
	silent := listen(t).Addr().String() // connects, and never says a word
	p := clitest.NewConfigFile(t, "nats://"+silent, "ops.addr", silent)
	began := time.Now()
	list, code := examine(t, p, "--timeout", "200ms")
	if took := time.Since(began); took > 5*time.Second || code != cli.ExitFailed {
		t.Errorf("exit %d after %s", code, took)
	}
	if c := only(t, list, "nats", ""); c.Status != diagnose.Fail {
		t.Errorf("%+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errs := clitest.Command(ctx, "", "doctor", "--config", p.Path); code != cli.ExitFailed || !strings.Contains(errs, "interrupted") {
		t.Errorf("Ctrl-C: exit %d, %s", code, errs)
	}
	if code, _, errs := clitest.Command(t.Context(), "", "doctor", "--timeout", "0s"); code != cli.ExitUsage || !strings.Contains(errs, "--timeout") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// The program itself, as one types it after "serve --dev".
func TestDoctorOfTheProgram(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := clitest.StartProcessOn(t, dir, "serve", "--dev")
	p.AwaitRunning(t)
	doctor := func(args ...string) (string, int) {
		cmd := exec.Command(os.Args[0], append([]string{"doctor", "--data-dir", dir}, args...)...)
		cmd.Env = append(os.Environ(), clitest.AsMain+"=1", "TREBLE_BRIDGE_JOURNAL_MAX_BYTES=16MiB",
			// Somebody may listen on the default ports.
			"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0")
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	// The token of --dev is not in a configuration of doctor; it finds the file.
	out, code := doctor()
	if code != cli.ExitFine {
		t.Errorf("exit %d", code)
	}
	token, err := cli.ReadDevToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^warn  config +no secret is configured`,
		`(?m)^pass  nats +nats-server [0-9.]+ \(treble-bridge\) at nats://127\.0\.0\.1:\d+, round trip `,
		`(?m)^pass  stream TREBLE +on disk, keeps 720h`,
		`(?m)^pass  probe default +post to 200 [0-9.]+ ms, 200 to stream [0-9.]+ ms, total [0-9.]+ ms; its message is deleted$`,
		`(?m)^pass  ports ingress.addr +the bridge answers at 127\.0\.0\.1:\d+$`,
		`\n\d+ pass, \d+ warn, \d+ fail, \d+ skipped\n`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("want %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, token) {
		t.Error("the token is printed")
	}
	p.Signal(t, os.Interrupt)
	if got := p.Code(t); got != cli.ExitFine {
		t.Errorf("serve: exit %d", got)
	}
	out, code = doctor()
	if code != cli.ExitFailed || !strings.Contains(out, "\n      fix:  treble-bridge serve --data-dir "+dir+"\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
}
