package serve_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// serviceManager stands in for systemd: a socket that receives notifications.
type serviceManager struct{ conn *net.UnixConn }

// startServiceManager sets $NOTIFY_SOCKET for the processes that the test starts.
func startServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addr := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", addr.Name)
	return &serviceManager{conn}
}

// next returns the next message that it is told, by variable.
func (m *serviceManager) next(t *testing.T) map[string]string {
	t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		t.Fatalf("the service manager is told nothing: %v", err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(b[:n])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		told[name] = value
	}
	return told
}

// untilReady returns the statuses that it was told before READY=1.
func (m *serviceManager) untilReady(t *testing.T) []string {
	t.Helper()
	var before []string
	for {
		told := m.next(t)
		if told["READY"] == "1" {
			return before
		}
		before = append(before, told["STATUS"])
	}
}

func TestNotifyReadyThenStopping(t *testing.T) {
	m := startServiceManager(t)
	p := clitest.StartProcess(t, "serve", "--dev")
	m.untilReady(t)
	if got, _ := p.Readyz(t); got != http.StatusOK {
		t.Errorf("after READY=1: /readyz says %d, want 200", got)
	}
	p.Signal(t, syscall.SIGTERM)
	if told := m.next(t); told["STOPPING"] != "1" {
		t.Errorf("after SIGTERM: got %v, want STOPPING=1", told)
	}
	if got := p.Code(t); got != cli.ExitFine {
		t.Errorf("got exit %d, want 0:\n%s", got, p.Errs)
	}
}

// TestNotifyNotBeforeReady: without a journal and without NATS no event is taken, so
// the unit is not active yet, and its status says why.
func TestNotifyNotBeforeReady(t *testing.T) {
	m := startServiceManager(t)
	nats := natstest.Start(t)
	t.Setenv("TREBLE_BRIDGE_NATS_URL", nats.URL)
	nats.Kill()
	t.Setenv("TREBLE_BRIDGE_PUBLISHER_ACK", "stream")
	p := clitest.StartProcess(t, "serve", "--dev")
	if told := m.next(t); told["READY"] != "" || !strings.HasPrefix(told["STATUS"], "not connected to NATS: ") {
		t.Errorf("without NATS: got %v, want STATUS=not connected to NATS and nothing else", told)
	}
	if got, _ := p.Readyz(t); got != http.StatusServiceUnavailable {
		t.Errorf("without NATS: /readyz says %d, want 503", got)
	}
	nats.Restart(t)
	m.untilReady(t)
	if got, _ := p.Readyz(t); got != http.StatusOK {
		t.Errorf("after READY=1: /readyz says %d, want 200", got)
	}
}
