// Package broker is the bridge's way to NATS: the connection, what goes over it, and
// what an answer, or the lack of one, proves.
package broker

import (
	"net/textproto"

	"github.com/nats-io/nats.go"
)

// Message is what goes to a stream, and what the journal and the set-aside keep of
// it. Nothing changes it once it is made.
type Message struct {
	Subject string
	ID      string // Nats-Msg-Id, which is among the headers too
	Header  map[string][]string
	Data    []byte
	Erased  bool // by an older version: what it held is gone, and it is never published
}

// Size is what the server counts against max_payload: the header block and
// the data, but neither subject nor protocol.
func (m Message) Size() int64 {
	if len(m.Header) == 0 {
		return int64(len(m.Data))
	}
	n := len("NATS/1.0\r\n") + len("\r\n")
	for name, values := range m.Header {
		for _, v := range values {
			// nats.go trims values as textproto does, and so does its own count.
			n += len(name) + len(": ") + len(textproto.TrimString(v)) + len("\r\n")
		}
	}
	return int64(n + len(m.Data))
}

// NATS returns the message as the client sends it: without the conditions that older
// versions put into what they kept.
func (m Message) NATS() *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: withoutConditions(m.Header), Data: m.Data}
}
