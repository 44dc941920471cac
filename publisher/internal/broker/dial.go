package broker

import (
	"github.com/nats-io/nats.go"

	"github.com/treble-bridge/treble-bridge/publisher/internal/embedded"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
)

// clientName is how the bridge shows up in "nats server report connections".
const clientName = "treble-bridge"

// dialOptions returns the options that say whom to connect to, and as whom.
func dialOptions(c *natsconfig.Credentials, e *embedded.Server) []nats.Option {
	opts := []nats.Option{nats.Name(clientName), nats.Timeout(connectTimeout)}
	if e != nil {
		// As the server was started: its file may hold another token by now.
		return append(opts, nats.InProcessServer(e), nats.Token(e.Token()))
	}
	return append(opts, c.Options()...)
}
