package publisher

import (
	"encoding/base64"
	"slices"
	"sync"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// largeRaw is the size from which on the memory for an envelope is allocated at once.
const largeRaw = 64 << 10

// encoder makes messages of events. Its memory is used again: see release.
type encoder struct {
	data   []byte
	fields broker.Header
	msgs   []broker.Message
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// release gives the encoder back. Its messages must not be used any more: after what
// failed it is not called: a write that was given up may still read them.
func (n *encoder) release() {
	const most = 64 << 10
	if cap(n.data) > most {
		return
	}
	clear(n.fields)
	clear(n.msgs)
	n.data, n.fields, n.msgs = n.data[:0], n.fields[:0], n.msgs[:0]
	encoders.Put(n)
}

// encode turns events into messages that fit the server. If one does not fit,
// the error is a *delivery.TooLargeError and the messages are complete all the
// same, so that they can be set aside.
func (n *encoder) encode(prefix schema.Prefix, events []schema.Event, limit int64) ([]broker.Message, error) {
	if len(n.msgs) > 0 {
		n.msgs = nil // of an attempt that was refused, and a write that was given up may still read
	}
	n.msgs = slices.Grow(n.msgs, len(events))
	var tooLarge error
	for _, e := range events {
		m, err := n.fitting(prefix, e, limit)
		if err != nil {
			return nil, err
		}
		if size := m.Size(); size > limit && tooLarge == nil {
			tooLarge = &delivery.TooLargeError{Size: size, Limit: limit}
		}
		n.msgs = append(n.msgs, m)
	}
	return n.msgs, tooLarge
}

// fitting encodes an event, without its normalised copies if it is larger than
// limit with them.
func (n *encoder) fitting(prefix schema.Prefix, e schema.Event, limit int64) (broker.Message, error) {
	begin := len(n.data)
	m, err := n.message(prefix, e)
	if err != nil || m.Size() <= limit {
		return m, err
	}
	smaller, dropped := e.WithoutCopies()
	if !dropped {
		return m, nil
	}
	n.data = n.data[:begin]
	return n.message(prefix, smaller)
}

func (n *encoder) message(prefix schema.Prefix, e schema.Event) (broker.Message, error) {
	begin, first := len(n.data), len(n.fields)
	if data := e.Data.Base(); len(data.Raw) > largeRaw {
		// Or it would grow, and be copied, step by step.
		n.data = slices.Grow(n.data, len(data.Raw)+len(data.Raw)/8+base64.StdEncoding.EncodedLen(len(data.RawBase64)))
	}
	data, err := e.AppendTo(n.data)
	if err != nil {
		return broker.Message{}, err
	}
	for name, value := range e.Headers() {
		n.fields = append(n.fields, broker.Field{Name: name, Value: value})
	}
	n.data = data
	return broker.Message{
		Subject: prefix.Subject(e.Kind), ID: e.ID, Header: n.fields[first:len(n.fields):len(n.fields)],
		Data: data[begin:len(data):len(data)],
	}, nil
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
