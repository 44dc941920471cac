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
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
)

// process is the program as a process of its own.
type process struct {
	*exec.Cmd
	out, errs *buffer
	dir       string
	exited    chan struct{}
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcessOn(t, t.TempDir(), args...)
}

func startProcessOn(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return startProcessEnv(t, dir, nil, args...)
}

// startProcessEnv starts it with further environment variables.
func startProcessEnv(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{out: &buffer{}, errs: &buffer{}, dir: dir, exited: make(chan struct{})}
	p.Cmd = exec.Command(os.Args[0], append(args, "--data-dir", p.dir)...)
	p.Env = append(os.Environ(), asMain+"=1",
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0")
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = p.out, p.errs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.Wait()
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.exited
	})
	return p
}

// code waits for the end.
func (p *process) code(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(40 * time.Second):
		t.Fatalf("it does not end:\n%s", p.errs)
	}
	return p.ProcessState.ExitCode()
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestServeDevThenTerm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "where.json")
	p := startProcess(t, "serve", "--dev", "--addr-file", file)
	eventually(t, "the block is printed", func() bool { return strings.Contains(p.out.String(), "sub 'treble.>'") })
	own, err := os.ReadFile(filepath.Join(p.dir, datadir.Addrs))
	if err != nil {
		t.Fatal(err)
	}
	if other, err := os.ReadFile(file); err != nil || !bytes.Equal(own, other) {
		t.Errorf("--addr-file: got %s, %v; want %s", other, err, own)
	}
	block := p.out.String()
	line := block[strings.Index(block, "  curl -i "):]
	line, _, _ = strings.Cut(line, "\n\n")
	if _, err := exec.LookPath("curl"); err == nil {
		answer, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err != nil || !strings.Contains(string(answer), "200 OK") {
			t.Errorf("the curl line: %v\n%s\n%s", err, line, answer)
		}
	}
	if code, out, errs := command(t.Context(), "", "send", "message.read", "--data-dir", p.dir); code != cli.ExitFine {
		t.Errorf("send does not know the token: exit %d\n%s%s", code, out, errs)
	}
	token := regexp.MustCompile(`Token  (dev-\S+)`).FindStringSubmatch(block)
	if token == nil || strings.Contains(p.errs.String(), token[1]) {
		t.Error("the token must be printed, and not logged")
	}
	if info, err := os.Stat(filepath.Join(p.dir, cli.DevTokenFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("dev-token: got %v, %v; want mode 0600", info, err)
	}
	p.signal(t, syscall.SIGTERM)
	if got := p.code(t); got != cli.ExitFine {
		t.Errorf("got exit %d, want 0:\n%s", got, p.errs)
	}
	for _, f := range []string{file, filepath.Join(p.dir, datadir.Addrs)} {
		if _, err := os.Stat(f); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, "serve", "--dev")
	eventually(t, "it runs", func() bool { return strings.Contains(p.out.String(), "Token") })
	a, err := cli.ReadAddrs(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	token, err := cli.ReadDevToken(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", a.Ingress) // a request that does not end
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n", token)
	if line := make([]byte, 8); !reads(conn, line) {
		t.Fatal("the request is not in work")
	}
	p.signal(t, syscall.SIGINT)
	eventually(t, "it is stopping", func() bool {
		resp, err := http.Get("http://" + a.Ops + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	p.signal(t, syscall.SIGTERM)
	began := time.Now()
	if got := p.code(t); got != cli.ExitFailed {
		t.Errorf("got exit %d, want 1", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestServeRefusesWithoutSecret(t *testing.T) {
	p := startProcess(t, "serve", "--log-level", "loud")
	if got := p.code(t); got != cli.ExitFailed {
		t.Errorf("got exit %d, want 1", got)
	}
	for _, want := range []string{"auth.bearer: no secret is configured", "log.level"} {
		if strings.Count(p.errs.String(), want) != 1 {
			t.Errorf("got %q, want %q in it once", p.errs, want)
		}
	}
	if strings.Contains(p.errs.String(), "\n{") {
		t.Errorf("something was started:\n%s", p.errs)
	}
}

func TestExitCodeOfWrongUsage(t *testing.T) {
	p := startProcess(t, "serve", "--nonsense")
	if got := p.code(t); got != cli.ExitUsage {
		t.Errorf("got exit %d, want 2:\n%s", got, p.errs)
	}
}
