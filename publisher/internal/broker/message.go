// Package broker connects to NATS, publishes messages, and decides what an answer, or the lack of one,
// proves about them.
package broker

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Message is published to a stream, and kept in the journal and the set-aside. It is immutable.
type Message struct {
	Subject string
	ID      string // Nats-Msg-Id, which is among the headers too
	Header  Header
	Data    []byte
	Erased  bool // an older version erased its content: it is never published
}

// Header lists the headers of a message, one field for each value. A list costs one
// allocation, where a map costs one for each header.
type Header []Field

// Field is one header, or one value of several.
type Field struct{ Name, Value string }

// HeaderOf converts a map, and sorts its fields by name.
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

// Map converts to the form of net/http and of the NATS client.
func (h Header) Map() map[string][]string {
	m := make(map[string][]string, len(h))
	for _, f := range h {
		m[f.Name] = append(m[f.Name], f.Value)
	}
	return m
}

// Size returns the bytes that the server counts against max_payload: the header block and
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

// NATS converts to a message of the client, without the conditions that older versions stored
// with it.
func (m Message) NATS() *nats.Msg { return new(wire).of(m) }

// wire makes messages of the client out of ours. It uses one map for all of them: the client
// has written a message to its buffer when it returns.
type wire struct {
	msg    nats.Msg
	values []string
}

// of converts a message, without the conditions and batch headers that older versions stored with
// it. The result is valid until the next call.
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

// condition reports whether a header instructs the server: a condition, or a part of a batch.
func condition(name string) bool {
	return strings.HasPrefix(name, expectedPrefix) || strings.HasPrefix(name, batchPrefix)
}
