package doctor_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/webhook"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// What doctor posts and removes is not taken for a loss when NATS is started again.
func TestDoctorsProbeStaysRemoved(t *testing.T) {
	clitest.CheckLeaks(t)
	c := clitest.Config(t)
	b := clitest.Start(t, c)
	config := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "data_dir: %s\nauth: {bearer: [%s]}\n", c.DataDir, clitest.Secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := clitest.Command(t.Context(), "", "doctor", "--config", config); code == cli.ExitUsage || !strings.Contains(out, "its message is deleted") {
		t.Fatalf("doctor: exit %d: %s %s", code, out, errs)
	}
	b.Stop(t)
	b = clitest.Start(t, c)
	defer b.Stop(t)
	body, err := webhook.Sample(webhook.SampleNames()[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Post(t, body).StatusCode; got != http.StatusOK {
		t.Fatalf("got %d", got)
	}
	metrics := func() string {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + b.Addrs().Ops + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	natstest.Eventually(t, "the event is stored", func() bool { return strings.Contains(metrics(), "treble_bridge_published_total 1\n") })
	if !strings.Contains(metrics(), "treble_bridge_healed_total 0\n") {
		t.Error("the probe was put back")
	}
}
