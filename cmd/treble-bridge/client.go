package main

import (
	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher"
)

// addNATSFlag adds the flags of the commands that connect to NATS.
func addNATSFlag(cmd *cobra.Command) {
	cmd.Flags().String("nats-url", "", "URLs of your NATS (nats.url; default: that of the running bridge, or else NATS_URL)")
	cmd.Flags().String("nats-context", "", "context of the nats command line to use instead")
}

// openClient connects to the NATS that a command line asks for: that of nats.url,
// or else the embedded one of the running bridge.
func openClient(cmd *cobra.Command, c *config.Config, streams stdio, role string) (*publisher.Client, error) {
	at, err := clientAddrs(c)
	if err != nil {
		return nil, err
	}
	return publisher.OpenClient(cmd.Context(), publisher.ClientOptions{
		Config: c.Publisher,
		NATS:   c.NATS,
		Addr:   at.NATS,
		Role:   role,
		Log:    newLogger(config.LogConfig{Level: "warn", Format: config.FormatConsole}, streams.err),
	})
}
