package publisher

import (
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// eventMessage encodes an event.
func eventMessage(prefix schema.Prefix, e schema.Event) (broker.Message, error) {
	data, err := e.Encode()
	if err != nil {
		return broker.Message{}, err
	}
	return broker.Message{Subject: prefix.Subject(e.Kind), ID: e.ID, Header: headerOf(e), Data: data}, nil
}

func headerOf(e schema.Event) broker.Header {
	const most = 5
	h := make(broker.Header, 0, most)
	for name, value := range e.Headers() {
		h = append(h, broker.Field{Name: name, Value: value})
	}
	return h
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
	fit := broker.Message{Subject: m.Subject, ID: m.ID, Header: m.Header, Data: data}
	return fit, fit.Size() <= limit
}
