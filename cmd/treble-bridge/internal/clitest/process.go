package clitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// Post posts bodies, eight at a time, each of which must be answered with want.
func (p *Process) Post(t *testing.T, want int, bodies ...string) {
	t.Helper()
	a := p.Addrs(t)
	token, err := cli.ReadDevToken(p.Dir)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	next := make(chan string)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for body := range next {
				req, _ := http.NewRequest(http.MethodPost, "http://"+a.Ingress+"/webhook", strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+string(token))
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					t.Errorf("post: %v", err)
					continue
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("%.80s: got %d, want %d", body, resp.StatusCode, want)
				}
			}
		})
	}
	for _, b := range bodies {
		next <- b
	}
	close(next)
	workers.Wait()
}

// stream is a stream of the process's own NATS.
func (p *Process) stream(t *testing.T, name string) jetstream.Stream {
	t.Helper()
	js := NATSHost{URL: NATSURL(t, p.Dir)}.JetStream(t)
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Await returns when a stream holds n messages.
func (p *Process) Await(t *testing.T, name string, n int) {
	t.Helper()
	s := p.stream(t, name)
	natstest.Eventually(t, fmt.Sprintf("%d messages in %s", n, name), func() bool {
		info, err := s.Info(t.Context())
		return err == nil && info.State.Msgs == uint64(n)
	})
}

// Stored are the messages of a stream, by sequence.
func (p *Process) Stored(t *testing.T, name string) map[uint64]string {
	t.Helper()
	s := p.stream(t, name)
	all := map[uint64]string{}
	cons, err := s.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := cons.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer msgs.Stop()
	for left := s.CachedInfo().State.Msgs; left > 0; left-- {
		m, err := msgs.Next()
		if err != nil {
			t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		all[meta.Sequence.Stream] = fmt.Sprint(m.Subject(), m.Headers(), string(m.Data()))
	}
	return all
}

// Away is an address where no NATS is.
const Away = "nats://127.0.0.1:1"

// Serve starts a bridge as a process on a data directory of its own, or that of
// an earlier one.
func Serve(t *testing.T, dir string, args ...string) *Process {
	t.Helper()
	p := StartProcessOn(t, dir, append([]string{"serve", "--dev"}, args...)...)
	p.AwaitRunning(t)
	return p
}

// AwaitRunning returns when it serves.
func (p *Process) AwaitRunning(t *testing.T) {
	t.Helper()
	natstest.Eventually(t, "it runs", func() bool {
		select {
		case <-p.Exited:
			t.Fatalf("it ended:\n%s", p.Errs)
		default:
		}
		return strings.Contains(p.Out.String(), "Token")
	})
}

// Command runs a command on the data directory and returns what it printed.
func (p *Process) Command(t *testing.T, want int, args ...string) (out, errs string) {
	t.Helper()
	return Exits(t, want, "", append(args[:len(args):len(args)], "--data-dir", p.Dir)...)
}

// Send runs the command send, which has to succeed.
func (p *Process) Send(t *testing.T, args ...string) {
	t.Helper()
	p.Command(t, cli.ExitFine, append([]string{"send"}, args...)...)
}

// JournalStatus runs status or verify with --json.
func (p *Process) JournalStatus(t *testing.T, want int, name string) journal.StatusJSON {
	t.Helper()
	out, errs := p.Command(t, want, "journal", name, "--json")
	var v journal.StatusJSON
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	return v
}

// Kill ends the process at once, as kill -9 does, and returns when it is gone.
func (p *Process) Kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Exited
}

// Addrs returns where the process listens, as soon as it does.
func (p *Process) Addrs(t *testing.T) (a cli.Addrs) {
	t.Helper()
	natstest.Eventually(t, "it listens", func() bool {
		var err error
		a, err = cli.ReadAddrs(p.Dir)
		return err == nil && a.Ops != ""
	})
	return a
}

// Readyz returns the answer of /readyz.
func (p *Process) Readyz(t *testing.T) (status int, body string) {
	t.Helper()
	return Ops(t, p.Addrs(t).Ops, "/readyz")
}

// Process is the program as a process of its own.
type Process struct {
	*exec.Cmd
	Out, Errs *natstest.LogBuffer
	Dir       string
	Exited    chan struct{}
}

// StartProcess starts the program on a data directory of its own.
func StartProcess(t *testing.T, args ...string) *Process {
	t.Helper()
	return StartProcessOn(t, t.TempDir(), args...)
}

// StartProcessOn starts the program on a data directory.
func StartProcessOn(t *testing.T, dir string, args ...string) *Process {
	t.Helper()
	return StartProcessEnv(t, dir, nil, args...)
}

// StartProcessEnv starts it with further environment variables.
func StartProcessEnv(t *testing.T, dir string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{Out: &natstest.LogBuffer{}, Errs: &natstest.LogBuffer{}, Dir: dir, Exited: make(chan struct{})}
	p.Cmd = exec.Command(os.Args[0], append(args, "--data-dir", p.Dir)...)
	p.Env = append(os.Environ(), AsMain+"=1",
		"TREBLE_BRIDGE_INGRESS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_OPS_ADDR=127.0.0.1:0", "TREBLE_BRIDGE_NATS_EMBEDDED_ADDR=127.0.0.1:0")
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = p.Out, p.Errs
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.Exited)
		_ = p.Wait()
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.Exited
	})
	return p
}

// Code waits for the end.
func (p *Process) Code(t *testing.T) int {
	t.Helper()
	select {
	case <-p.Exited:
	case <-time.After(40 * time.Second):
		t.Fatalf("it does not end:\n%s", p.Errs)
	}
	return p.ProcessState.ExitCode()
}

// Signal sends a signal to the process.
func (p *Process) Signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Stop ends the process by SIGTERM, and wants exit code 0.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	if code := p.Code(t); code != cli.ExitFine {
		t.Errorf("exit %d, want 0:\n%s", code, p.Errs)
	}
}
