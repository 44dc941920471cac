// Package clienttest connects tests to NATS as a command does.
package clienttest

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Options returns those of a client of a bridge that is not configured, at a URL.
func Options(url string) client.Options {
	o := client.Options{NATS: natsconfig.Default(), Role: "test", Events: "TREBLE", Prefix: schema.DefaultPrefix, Timeout: 2 * time.Second}
	o.NATS.URL = url
	return o
}

// Open connects, until the end of the test.
func Open(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}
