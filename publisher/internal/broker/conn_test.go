package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestUnreadableSecret: the client reads a secret at each attempt to connect, and the log says once
// for each connection that it cannot.
func TestUnreadableSecret(t *testing.T) {
	log, lines := natstest.Log(zap.WarnLevel)
	c := &Conn{log: log}
	for _, want := range []int{1, 1, 1, 2} {
		if want == 2 {
			c.said.Forget() // connected
		}
		c.unreadable(errors.New("nats.password_file: open password: no such file"))
		if got := lines.FilterMessageSnippet("the last one is used").Len(); got != want {
			t.Fatalf("%d lines, want %d", got, want)
		}
	}
}

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

// TestUpOfClientInUse: a connection does not count as up before its client is in use, or a publish
// would take the one that has ended.
func TestUpOfClientInUse(t *testing.T) {
	s := natstest.Start(t)
	c := dialTest(t, s.URL, time.Second).conn
	c.link.Down(false)
	if c.up(s.NC); c.Connected() {
		t.Error("up with a client that is not in use")
	}
	if c.up(c.NATS()); !c.Connected() {
		t.Error("not up with the client in use")
	}
}
