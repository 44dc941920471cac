package broker

import (
	"context"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestClientThatEnded: when the client library gives up for good, another client takes over; and
// Close ends all of them, whatever state they are in.
func TestClientThatEnded(t *testing.T) {
	for name, restart := range map[string]bool{"server-there": false, "server-away": true} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			c := dialTest(t, s.URL, time.Second).conn
			first := c.NATS()
			if restart {
				s.Kill()
			}
			first.Close() // as the library does it after an error that it does not know
			natstest.Eventually(t, "there is another client", func() bool { return c.NATS() != first })
			if restart {
				s.Restart(t)
			}
			natstest.Eventually(t, "connected", c.Connected)
			if err := c.NATS().FlushTimeout(5 * time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("at-close", func(t *testing.T) {
		s := natstest.Start(t)
		cfg := natsconfig.Default()
		cfg.URL = s.URL
		c, err := Dial(Options{NATS: cfg, Payload: 1 << 20, Log: zap.NewNop()})
		if err != nil {
			t.Fatal(err)
		}
		c.NATS().Close()
		c.Close(context.Background())
		if c.Connected() {
			t.Error("connected after Close")
		}
	})
}
