// Package broker is the bridge's way to NATS: the connection, what goes over it, and
// what an answer, or the lack of one, proves.
package broker

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Message is what goes to a stream, and what the journal and the set-aside keep of
// it. Nothing changes it once it is made.
type Message struct {
	Subject string
	ID      string // Nats-Msg-Id, which is among the headers too
	Header  Header
	Data    []byte
	Erased  bool // by an older version: what it held is gone, and it is never published
}

// Header are the headers of a message, one field for each value. A list costs one
// allocation, where a map costs one for each header.
type Header []Field

// Field is one header, or one value of several.
type Field struct{ Name, Value string }

// HeaderOf returns the fields of a map, in the order of their names.
func HeaderOf(m map[string][]string) Header {
	var h Header
	for name, values := range m {
		for _, v := range values {
			h = append(h, Field{name, v})
		}
	}
	slices.SortStableFunc(h, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return h
}

// Get returns the first value of a header, "" if there is none.
func (h Header) Get(name string) string {
	for _, f := range h {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Map returns the headers as net/http and the NATS client have them.
func (h Header) Map() map[string][]string {
	m := make(map[string][]string, len(h))
	for _, f := range h {
		m[f.Name] = append(m[f.Name], f.Value)
	}
	return m
}

// Size is what the server counts against max_payload: the header block and
// the data, but neither subject nor protocol.
func (m Message) Size() int64 {
	if len(m.Header) == 0 {
		return int64(len(m.Data))
	}
	n := len("NATS/1.0\r\n") + len("\r\n")
	for _, f := range m.Header {
		// nats.go trims values as textproto does, and so does its own count.
		n += len(f.Name) + len(": ") + len(textproto.TrimString(f.Value)) + len("\r\n")
	}
	return int64(n + len(m.Data))
}

// NATS returns the message as the client sends it: without the conditions that older
// versions put into what they kept.
func (m Message) NATS() *nats.Msg { return new(wire).of(m) }

// wire makes messages of the client out of ours. It uses one map for all of them: the client
// has written a message to its buffer when it returns.
type wire struct {
	msg    nats.Msg
	values []string
}

// of returns a message for the client, which is valid until the next call: without the
// conditions that older versions put into what they kept, and without the headers
// of a batch.
func (w *wire) of(m Message) *nats.Msg {
	if w.msg.Header == nil {
		w.msg.Header = nats.Header{}
	}
	clear(w.msg.Header)
	w.values = w.values[:0]
	w.msg.Subject, w.msg.Data = m.Subject, m.Data
	for _, f := range m.Header {
		if !condition(f.Name) {
			w.set(f.Name, f.Value)
		}
	}
	return &w.msg
}

// set adds a header to the message.
func (w *wire) set(name, value string) {
	if before, more := w.msg.Header[name]; more {
		w.msg.Header[name] = append(slices.Clip(before), value)
		return
	}
	n := len(w.values)
	w.values = append(w.values, value)
	w.msg.Header[name] = w.values[n : n+1 : n+1]
}

// condition reports whether a header is between a publisher and the server.
func condition(name string) bool {
	return strings.HasPrefix(name, expectedPrefix) || strings.HasPrefix(name, batchPrefix)
}
