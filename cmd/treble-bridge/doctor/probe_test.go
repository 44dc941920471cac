package doctor_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// What doctor posts and removes is not taken for a loss when NATS is started again.
func TestDoctorsProbeStaysRemoved(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	b := clitest.Start(t, c)
	config := clitest.File(t, "bridge.yaml", fmt.Sprintf("data_dir: %s\nauth: {bearer: [%s]}\n", c.DataDir, clitest.Secret))
	if code, out, errs := clitest.Command(t.Context(), "", "doctor", "--config", config); code == cli.ExitUsage || !strings.Contains(out, "its message is deleted") {
		t.Fatalf("doctor: exit %d: %s %s", code, out, errs)
	}
	b.Stop(t)
	b = clitest.Start(t, c)
	defer b.Stop(t)
	if got := b.Post(t, clitest.Sample(t, "message.read")); got != http.StatusOK {
		t.Fatalf("got %d", got)
	}
	natstest.Eventually(t, "the event is stored", func() bool { return strings.Contains(b.Metrics(t), "treble_bridge_published_total 1\n") })
	if !strings.Contains(b.Metrics(t), "treble_bridge_healed_total 0\n") {
		t.Error("the probe was put back")
	}
}
