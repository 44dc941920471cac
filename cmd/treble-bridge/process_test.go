package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestServeDevThenTerm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "where.json")
	p := clitest.StartProcess(t, "serve", "--dev", "--addr-file", file)
	natstest.Eventually(t, "the block is printed", func() bool { return strings.Contains(p.Out.String(), "sub 'treble.>'") })
	own, err := os.ReadFile(filepath.Join(p.Dir, datadir.Addrs))
	if err != nil {
		t.Fatal(err)
	}
	if other, err := os.ReadFile(file); err != nil || !bytes.Equal(own, other) {
		t.Errorf("--addr-file: got %s, %v; want %s", other, err, own)
	}
	block := p.Out.String()
	line := block[strings.Index(block, "  curl -i "):]
	line, _, _ = strings.Cut(line, "\n\n")
	if _, err := exec.LookPath("curl"); err == nil {
		answer, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err != nil || !strings.Contains(string(answer), "200 OK") {
			t.Errorf("the curl line: %v\n%s\n%s", err, line, answer)
		}
	}
	if code, out, errs := clitest.Command(t.Context(), "", "send", "message.read", "--data-dir", p.Dir); code != cli.ExitFine {
		t.Errorf("send does not know the token: exit %d\n%s%s", code, out, errs)
	}
	token := regexp.MustCompile(`Token  (dev-\S+)`).FindStringSubmatch(block)
	if token == nil || strings.Contains(p.Errs.String(), token[1]) {
		t.Error("the token must be printed, and not logged")
	}
	if info, err := os.Stat(filepath.Join(p.Dir, cli.DevTokenFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("dev-token: got %v, %v; want mode 0600", info, err)
	}
	p.Stop(t)
	for _, f := range []string{file, filepath.Join(p.Dir, datadir.Addrs)} {
		if _, err := os.Stat(f); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
}

// TestServeDevOnLoopback: to try it is no reason to be open to the network. The address that the
// test's environment names is left out.
func TestServeDevOnLoopback(t *testing.T) {
	t.Setenv("TREBLE_BRIDGE_INGRESS_ADDR", "")
	p := clitest.StartProcessEnv(t, t.TempDir(), []string{"TREBLE_BRIDGE_INGRESS_ADDR="}, "serve", "--dev")
	natstest.Eventually(t, "it runs, or says that the port is taken", func() bool {
		return strings.Contains(p.Out.String(), "Token") || strings.Contains(p.Errs.String(), "address already in use")
	})
	if out := p.Out.String() + p.Errs.String(); !strings.Contains(out, "127.0.0.1:8080") || strings.Contains(out, "[::]:8080") {
		t.Errorf("got %s, want it on 127.0.0.1:8080", out)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := clitest.StartProcess(t, "serve", "--dev")
	p.AwaitRunning(t)
	a := p.Addrs(t)
	token, err := cli.ReadDevToken(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", a.Ingress) // a request that does not end
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", token)
	if line := make([]byte, 8); !clitest.Reads(conn, line) {
		t.Fatal("the request is not in work")
	}
	p.Signal(t, syscall.SIGINT)
	natstest.Eventually(t, "it is stopping", func() bool {
		status, _ := clitest.Ops(t, a.Ops, "/readyz")
		return status == http.StatusServiceUnavailable
	})
	p.Signal(t, syscall.SIGTERM)
	began := time.Now()
	if got := p.Code(t); got != cli.ExitFailed {
		t.Errorf("got exit %d, want 1", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestServeRefusesWithoutSecret(t *testing.T) {
	p := clitest.StartProcess(t, "serve", "--log-level", "loud")
	if got := p.Code(t); got != cli.ExitFailed {
		t.Errorf("got exit %d, want 1", got)
	}
	for _, want := range []string{"auth.bearer: no secret is configured", "log.level"} {
		if strings.Count(p.Errs.String(), want) != 1 {
			t.Errorf("got %q, want %q in it once", p.Errs, want)
		}
	}
	if strings.Contains(p.Errs.String(), "\n{") {
		t.Errorf("something was started:\n%s", p.Errs)
	}
}

func TestExitCodeOfWrongUsage(t *testing.T) {
	p := clitest.StartProcess(t, "serve", "--nonsense")
	if got := p.Code(t); got != cli.ExitUsage {
		t.Errorf("got exit %d, want 2:\n%s", got, p.Errs)
	}
}

// SIGHUP reads the configuration again; of a bridge that somebody tries in a terminal it is the end of
// the terminal.
func TestHangupOfTheProgram(t *testing.T) {
	p := clitest.StartProcessEnv(t, t.TempDir(), []string{"TREBLE_BRIDGE_AUTH_BEARER=" + clitest.Secret}, "serve")
	p.Readyz(t)
	for n := 1; n <= 2; n++ {
		p.Signal(t, syscall.SIGHUP)
		natstest.Eventually(t, "it is read again", func() bool { return strings.Count(p.Errs.String(), "the configuration was read again") == n })
	}
	p.Stop(t)
	dev := clitest.StartProcess(t, "serve", "--dev")
	dev.AwaitRunning(t)
	dev.Signal(t, syscall.SIGHUP)
	if got := dev.Code(t); got != cli.ExitFine {
		t.Errorf("--dev: got exit %d, want 0:\n%s", got, dev.Errs)
	}
}
