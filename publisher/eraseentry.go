package publisher

import (
	"bytes"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/schema"
)

// erasedVersion is the version byte of an entry in which messages were erased. It
// has the form of other entries, and the same length. The data of an erased
// message is zeros, which no event begins with, and so are the values of its
// headers but for those that hold nothing of the person. Subjects and ids stay,
// for the accounts: an id is a hash.
const erasedVersion = 2

// keptHeaders are the headers whose values stay.
var keptHeaders = []string{schema.HeaderMsgID, schema.HeaderContentType, schema.HeaderKind, jetstream.ExpectedStreamHeader}

// isErased reports whether data, in an entry of erasedVersion, was erased.
func isErased(data []byte) bool { return len(data) == 0 || data[0] == 0 }

// eraseEntry returns the entry b without what the chosen messages held, in as many
// bytes, and how many they are. If there are none, b itself is returned.
func eraseEntry(b []byte, chosen func(broker.Message) bool) ([]byte, int64) {
	msgs, err := decodeEntry(b)
	if err != nil {
		return b, 0
	}
	var n int64
	which := make([]bool, len(msgs))
	for i, m := range msgs {
		if !m.Erased && chosen(m) {
			which[i] = true
			n++
		}
	}
	if n == 0 {
		return b, 0
	}
	out := bytes.Clone(b)
	out[0] = erasedVersion
	_, rest, _ := entryHead(out) // decodeEntry could read it
	r := entryReader{b: rest}    // its texts are out's own bytes
	for _, erase := range which {
		r.text() // subject
		r.text() // id
		for range r.count() {
			kept := slices.Contains(keptHeaders, string(r.text()))
			for range r.count() {
				if v := r.text(); erase && !kept {
					clear(v)
				}
			}
		}
		if data := r.text(); erase {
			clear(data)
		}
	}
	return out, n
}
