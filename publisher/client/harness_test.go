package client_test

import (
	"iter"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/schema"
)

// optionsFor are those of a client of a bridge that is not configured, at a URL.
func optionsFor(url string) client.Options {
	o := client.Options{NATS: natsconfig.Default(), Role: "test", Events: "TREBLE", Prefix: schema.DefaultPrefix, Timeout: 2 * time.Second}
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

// firstError is the error that a sequence ends with, or nil.
func firstError(all iter.Seq2[client.Message, error]) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
