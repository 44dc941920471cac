package publisher

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
)

// An entry of the journal holds the messages of one delivery as they will be
// published, so that what was accepted does not depend on a later version's
// way to encode it. Its form: a version byte, the number of messages, and per
// message subject, id, headers and data; every number is a uvarint and every
// text has its length in front. Entries with erased messages are of another
// version: see erasedVersion.
const entryVersion = 1

var errEntry = errors.New("journal entry is malformed")

// encodeEntry returns the entry of msgs.
func encodeEntry(msgs []broker.Message) []byte {
	size := 1 + binary.MaxVarintLen64
	for _, m := range msgs {
		size += int(m.Size()) + len(m.Subject) + len(m.ID) + 16*(len(m.Header)+3)
	}
	b := make([]byte, 0, size)
	b = append(b, entryVersion)
	b = binary.AppendUvarint(b, uint64(len(msgs)))
	for _, m := range msgs {
		b = appendText(b, m.Subject)
		b = appendText(b, m.ID)
		b = binary.AppendUvarint(b, uint64(len(m.Header)))
		for _, name := range slices.Sorted(maps.Keys(m.Header)) {
			b = appendText(b, name)
			b = binary.AppendUvarint(b, uint64(len(m.Header[name])))
			for _, v := range m.Header[name] {
				b = appendText(b, v)
			}
		}
		b = appendText(b, string(m.Data))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decodeEntry is the reverse of encodeEntry. The messages share b's memory.
func decodeEntry(b []byte) ([]broker.Message, error) {
	n, rest, err := entryHead(b)
	if err != nil {
		return nil, err
	}
	r := entryReader{b: rest}
	msgs := make([]broker.Message, 0, min(n, 16))
	for range n {
		m := broker.Message{Subject: string(r.text()), ID: string(r.text()), Header: map[string][]string{}}
		for range r.count() {
			name := string(r.text())
			for range r.count() {
				m.Header[name] = append(m.Header[name], string(r.text()))
			}
		}
		m.Data = r.text()
		m.Erased = b[0] == erasedVersion && isErased(m.Data)
		if r.failed {
			return nil, errEntry
		}
		msgs = append(msgs, m)
	}
	if len(r.b) > 0 {
		return nil, errEntry
	}
	return msgs, nil
}

// entryHead returns the number of messages, without reading them.
func entryHead(b []byte) (n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errEntry
	}
	if b[0] != entryVersion && b[0] != erasedVersion {
		return 0, nil, fmt.Errorf("%w: version %d, this program reads %d and %d", errEntry, b[0], entryVersion, erasedVersion)
	}
	r := entryReader{b: b[1:]}
	n = r.count()
	if r.failed || n == 0 {
		return 0, nil, errEntry
	}
	return n, r.b, nil
}

// entryReader reads what appendText wrote. After a failure it yields nothing.
type entryReader struct {
	b      []byte
	failed bool
}

// count reads a number of things, each of which takes a byte at least, so that
// a wrong number cannot make anybody reserve more than the entry's own size.
func (r *entryReader) count() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)-size) {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *entryReader) text() []byte {
	n := r.count()
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}
