package main

import (
	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/consumers"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/doctor"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/events"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/forget"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/journal"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/keys"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/quarantine"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/replay"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/send"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/serve"
)

// newRoot returns the command tree.
func newRoot(streams cli.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "treble-bridge",
		Short: "Treble's webhooks in over HTTP, events out on NATS JetStream",
		Long: `treble-bridge receives the webhooks of Treble over HTTP, answers as soon as an
event is safe, and publishes each one, normalised, to NATS JetStream.

Without a NATS of your own it runs one inside its process, so that this is
all it takes to see it work:

  treble-bridge serve --dev

Configuration comes from a YAML file (--config), from environment variables
(TREBLE_BRIDGE_<KEY_WITH_UNDERSCORES>) and from flags; a later one wins.`,
		Example: `  treble-bridge serve --dev                  # try it: makes a token, logs for people
  treble-bridge send message.read            # post a sample event to it
  treble-bridge tail                         # watch the events
  treble-bridge config init > bridge.yaml    # a commented configuration file`,
	}
	cli.PrepareRoot(root, streams)
	root.AddCommand(
		serve.New(streams, version()),
		send.New(streams),
		events.NewTail(streams),
		events.New(streams),
		consumers.New(streams),
		replay.New(streams),
		newHealth(streams),
		doctor.New(streams),
		journal.New(streams),
		quarantine.New(streams),
		keys.New(streams),
		newSchema(streams),
		forget.New(streams),
		newConfig(streams),
		newVersion(streams),
	)
	return root
}
