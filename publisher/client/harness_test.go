package client_test

import (
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// optionsFor are those of a client of a bridge that is not configured, at a URL.
func optionsFor(url string) client.Options {
	o := client.Options{NATS: broker.DefaultNATSConfig(), Role: "test", Events: "TREBLE", Prefix: schema.DefaultPrefix, Timeout: 2 * time.Second}
	o.NATS.URL = url
	return o
}

// open connects, until the end of the test.
func open(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}
