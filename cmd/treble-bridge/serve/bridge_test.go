package serve_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/serve"
	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// A request in work when the shutdown begins gets its whole answer, while
// /readyz says what is going on and nobody new gets in.
func TestShutdownFinishesWhatIsInWork(t *testing.T) {
	clitest.CheckLeaks(t)
	b := clitest.Start(t, clitest.Config(t))
	body := clitest.Sample(t, "message.read")
	conn, err := net.Dial("tcp", b.Addrs().Ingress)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /webhook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", clitest.Secret, len(body))
	// The server asks for the body once a handler reads it: now it is in work.
	if line := make([]byte, len("HTTP/1.1 100")); !clitest.Reads(conn, line) || string(line) != "HTTP/1.1 100" {
		t.Fatalf("got %q, want to be asked for the body", line)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.Stop(t)
	}()
	url := "http://" + b.Addrs().Ops + "/readyz"
	natstest.Eventually(t, "/readyz says that it shuts down", func() bool {
		r, err := cli.AskReadiness(t.Context(), url)
		return err == nil && r.Status == "unready" && len(r.Reasons) > 0 && r.Reasons[0] == "shutting down"
	})
	natstest.Eventually(t, "new connections are refused", func() bool {
		c, err := net.Dial("tcp", b.Addrs().Ingress)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case <-stopped:
		t.Fatal("it stopped without waiting for the request")
	default:
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "HTTP/1.1 200 OK") || !strings.HasSuffix(strings.TrimSpace(string(answer)), "{}") {
		t.Errorf("got %q, %v; want a whole 200", answer, err)
	}
	<-stopped
}

// A bridge that cannot listen names the key, has let go of its data directory, and changed nothing in NATS.
func TestOpenOnATakenPort(t *testing.T) {
	clitest.CheckLeaks(t)
	n := natstest.Start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, set := range map[string]func(*config.Config){
		"ingress.addr":       func(c *config.Config) { c.Ingress.Addr, c.NATS.URL = taken.Addr().String(), n.URL },
		"ops.addr":           func(c *config.Config) { c.Ops.Addr, c.NATS.URL = taken.Addr().String(), n.URL },
		"nats.embedded.addr": func(c *config.Config) { c.NATS.Embedded.Addr = taken.Addr().String() },
	} {
		t.Run(key, func(t *testing.T) {
			c := clitest.Config(t)
			set(c)
			_, err := serve.Open(t.Context(), c, "test", cli.NewLogger(c.Log, io.Discard), zap.NewAtomicLevel())
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("got %v, want it to name %s", err, key)
			}
			clitest.Start(t, clitest.ConfigIn(c.DataDir)).Stop(t)
		})
	}
	for name := range n.JS.StreamNames(t.Context()).Name() {
		t.Errorf("there is a stream %s", name)
	}
}

func TestMetricsAreServed(t *testing.T) {
	clitest.CheckLeaks(t)
	b := clitest.Start(t, clitest.Config(t))
	defer b.Stop(t)
	text := b.Metrics(t)
	for _, name := range []string{"treble_bridge_build_info", "treble_bridge_nats_connected 1", "go_goroutines", "process_open_fds"} {
		if !strings.Contains(text, name) {
			t.Errorf("%s is missing", name)
		}
	}
}
