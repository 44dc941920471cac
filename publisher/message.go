package publisher

import (
	"net/textproto"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/schema"
)

// message is what goes to a stream, and what the set-aside (and the journal)
// keep of it. Nothing changes it once it is made.
type message struct {
	subject string
	id      string // Nats-Msg-Id
	header  map[string][]string
	data    []byte
	erased  bool // in the journal: it was erased, and is never published
}

// eventMessage encodes an event. The stream it names is part of the message:
// JetStream refuses it if another stream has taken over the subject.
func eventMessage(prefix schema.Prefix, stream string, e schema.Event) (message, error) {
	data, err := e.Encode()
	if err != nil {
		return message{}, err
	}
	header := e.Header()
	header[jetstream.ExpectedStreamHeader] = []string{stream}
	return message{subject: prefix.Subject(e.Kind), id: e.ID, header: header, data: data}, nil
}

// fittingMessage encodes e, without its normalised copies if it is larger than
// limit with them.
func fittingMessage(prefix schema.Prefix, stream string, e schema.Event, limit int64) (message, error) {
	m, err := eventMessage(prefix, stream, e)
	if err != nil || m.size() <= limit {
		return m, err
	}
	smaller, dropped := e.WithoutCopies()
	if !dropped {
		return m, nil
	}
	return eventMessage(prefix, stream, smaller)
}

// size is what the server counts against max_payload: the header block and
// the data, but neither subject nor protocol.
func (m message) size() int64 {
	if len(m.header) == 0 {
		return int64(len(m.data))
	}
	n := len("NATS/1.0\r\n") + len("\r\n")
	for name, values := range m.header {
		for _, v := range values {
			// nats.go trims values as textproto does, and so does its own count.
			n += len(name) + len(": ") + len(textproto.TrimString(v)) + len("\r\n")
		}
	}
	return int64(n + len(m.data))
}

// nats returns the message as the client sends it.
func (m message) nats() *nats.Msg {
	return &nats.Msg{Subject: m.subject, Header: m.header, Data: m.data}
}
