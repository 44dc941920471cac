package cli

import (
	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/config"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// AddNATSFlags adds the flags of the commands that connect to NATS.
func AddNATSFlags(cmd *cobra.Command) {
	cmd.Flags().String("nats-url", "", "URLs of your NATS (nats.url; default: that of the running bridge, or else NATS_URL)")
	cmd.Flags().String("nats-context", "", "context of the nats command line to use instead")
}

// Connect loads the configuration that a command line asks for and connects to its NATS.
func Connect(cmd *cobra.Command, streams Streams, role string) (*config.Config, *client.Client, error) {
	loaded, err := LoadConfig(cmd)
	if err != nil {
		return nil, nil, err
	}
	c, err := OpenClient(cmd, &loaded.Config, streams, role)
	return &loaded.Config, c, err
}

// OpenClient connects to the NATS that a command line asks for: that of nats.url,
// or else the embedded one of the running bridge.
func OpenClient(cmd *cobra.Command, c *config.Config, streams Streams, role string) (*client.Client, error) {
	at, err := ClientAddrs(c)
	if err != nil {
		return nil, err
	}
	o := ClientOptions(c, at.NATS, role)
	o.Log = NewCommandLogger(streams)
	return client.Open(cmd.Context(), o)
}

// ClientOptions are those of a connection for the bridge that is configured; addr is that of
// its embedded NATS, if it has one.
func ClientOptions(c *config.Config, addr, role string) client.Options {
	return client.Options{
		NATS:    c.NATS,
		Addr:    addr,
		Role:    role,
		Events:  schema.StreamName(c.Publisher.Stream),
		Prefix:  schema.Prefix(c.Publisher.SubjectPrefix),
		Timeout: c.Publisher.AckTimeout,
	}
}

// StreamSpec says what the streams of the bridge that is configured have to be like.
func StreamSpec(c *config.Config) streams.Spec {
	embeddedIn := ""
	if c.NATS.URL == "" {
		embeddedIn = c.DataDir
	}
	return c.Publisher.Spec(embeddedIn)
}
