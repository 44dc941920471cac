package broker

import "github.com/nats-io/nats.go"

// clientName is how the bridge shows up in "nats server report connections".
const clientName = "treble-bridge"

// dialOptions returns the options that say whom to connect to, and as whom.
func dialOptions(c *credentials, e *Embedded) []nats.Option {
	opts := []nats.Option{nats.Name(clientName), nats.Timeout(connectTimeout)}
	if e != nil {
		// As the server was started: its file may hold another token by now.
		return append(opts, nats.InProcessServer(e), nats.Token(e.options.Authorization))
	}
	return append(opts, c.options()...)
}
