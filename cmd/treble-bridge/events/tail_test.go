package events_test

import (
	"context"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/clitest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// Tail goes on by itself when the NATS that it reads from was away.
func TestTailOutlivesNATS(t *testing.T) {
	c := clitest.Config(t)
	b := clitest.Start(t, c)
	nats := b.Addrs().NATS
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs natstest.LogBuffer
	code := make(chan int, 1)
	go func() {
		code <- clitest.Run(ctx, []string{"tail", "--since", "1h", "--data-dir", c.DataDir}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	}()
	b.Post(t, clitest.Sample(t, "message.read"))
	natstest.Eventually(t, "the first event is shown", func() bool { return strings.Contains(out.String(), "message.read") })
	b.Stop(t)
	c.NATS.Embedded.Addr = nats // just freed, and tail comes back to it
	b = clitest.Start(t, c)
	b.Post(t, clitest.Sample(t, "message.delivered"))
	natstest.Eventually(t, "the event after the pause is shown", func() bool { return strings.Contains(out.String(), "message.delivered") })
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("got %d lines, want 2:\n%s", n, out.String())
	}
	cancel()
	if got := <-code; got != cli.ExitFine {
		t.Errorf("Ctrl-C: exit %d, want 0: %s", got, errs.String())
	}
	b.Stop(t)
}
