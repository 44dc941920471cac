package publisher

import (
	"maps"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// eventMessage encodes an event.
func eventMessage(prefix schema.Prefix, e schema.Event) (broker.Message, error) {
	data, err := e.Encode()
	if err != nil {
		return broker.Message{}, err
	}
	return broker.Message{Subject: prefix.Subject(e.Kind), ID: e.ID, Header: e.Header(), Data: data}, nil
}

// fittingMessage encodes e, without its normalised copies if it is larger than
// limit with them.
func fittingMessage(prefix schema.Prefix, e schema.Event, limit int64) (broker.Message, error) {
	m, err := eventMessage(prefix, e)
	if err != nil || m.Size() <= limit {
		return m, err
	}
	smaller, dropped := e.WithoutCopies()
	if !dropped {
		return m, nil
	}
	return eventMessage(prefix, smaller)
}

// shrink leaves the normalised copies out of a message that was encoded for a larger limit. It
// reports false if the message is not smaller then, or still too large.
func shrink(m broker.Message, limit int64) (broker.Message, bool) {
	e, err := schema.Decode(m.Data)
	if err != nil {
		return m, false
	}
	smaller, dropped := e.WithoutCopies()
	if !dropped {
		return m, false
	}
	data, err := smaller.Encode()
	if err != nil {
		return m, false
	}
	fit := broker.Message{Subject: m.Subject, ID: m.ID, Header: maps.Clone(m.Header), Data: data}
	return fit, fit.Size() <= limit
}
