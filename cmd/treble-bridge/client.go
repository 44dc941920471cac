package main

import (
	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// addNATSFlag adds the flags of the commands that connect to NATS.
func addNATSFlag(cmd *cobra.Command) {
	cmd.Flags().String("nats-url", "", "URLs of your NATS (nats.url; default: that of the running bridge, or else NATS_URL)")
	cmd.Flags().String("nats-context", "", "context of the nats command line to use instead")
}

// openClient connects to the NATS that a command line asks for: that of nats.url,
// or else the embedded one of the running bridge.
func openClient(cmd *cobra.Command, c *config.Config, streams stdio, role string) (*client.Client, error) {
	at, err := clientAddrs(c)
	if err != nil {
		return nil, err
	}
	o := clientOptions(c, at.NATS, role)
	o.Log = newLogger(config.LogConfig{Level: "warn", Format: config.FormatConsole}, streams.err)
	return client.Open(cmd.Context(), o)
}

// clientOptions are those of a connection for the bridge that is configured; addr is that of
// its embedded NATS, if it has one.
func clientOptions(c *config.Config, addr, role string) client.Options {
	return client.Options{
		NATS:    c.NATS,
		Addr:    addr,
		Role:    role,
		Events:  schema.StreamName(c.Publisher.Stream),
		Prefix:  schema.Prefix(c.Publisher.SubjectPrefix),
		Timeout: c.Publisher.AckTimeout,
	}
}

// streamSpec says what the streams of the bridge that is configured have to be like.
func streamSpec(c *config.Config) streams.Spec {
	embeddedIn := ""
	if c.NATS.URL == "" {
		embeddedIn = c.DataDir
	}
	return c.Publisher.Spec(embeddedIn)
}
