package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/treble-bridge/treble-bridge/publisher/atrest"
	"github.com/treble-bridge/treble-bridge/publisher/internal/broker"
	"github.com/treble-bridge/treble-bridge/publisher/journal"
)

// An entry of the journal holds the messages of one delivery as they will be
// published, so that what was accepted does not depend on a later version's
// way to encode it. Its form: a version byte, when it was accepted (Unix
// milliseconds), the number of messages, and per message subject, id, headers and
// data; every number is a uvarint and every text has its length in front.
const entryVersion = 3

// In sealedVersion, what follows the number of messages is encrypted, with what comes before it
// as context. How many events there are, and how old they are, is told without the key.
const sealedVersion = 4

// The versions of older programs have no time. In erasedVersion, messages may have been
// erased: their data is zeros, which no event begins with.
const (
	timelessVersion = 1
	erasedVersion   = 2
)

var errEntry = errors.New("journal entry is malformed")

// EncodeEntry returns the entry of msgs, encrypted unless keys is nil.
func EncodeEntry(accepted time.Time, msgs []broker.Message, keys *atrest.Keys) ([]byte, error) {
	b := encodePlain(accepted, msgs)
	if keys == nil {
		return b, nil
	}
	b, err := sealEntry(b, keys)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return b, nil
}

func encodePlain(accepted time.Time, msgs []broker.Message) []byte {
	size := 1 + 2*binary.MaxVarintLen64
	for _, m := range msgs {
		size += int(m.Size()) + len(m.Subject) + len(m.ID) + 16*(len(m.Header)+3)
	}
	b := make([]byte, 0, size)
	b = append(b, entryVersion)
	b = binary.AppendUvarint(b, uint64(max(accepted.UnixMilli(), 0)))
	b = binary.AppendUvarint(b, uint64(len(msgs)))
	for _, m := range msgs {
		b = appendText(b, m.Subject)
		b = appendText(b, m.ID)
		b = binary.AppendUvarint(b, uint64(len(m.Header)))
		for _, f := range m.Header {
			b = appendText(b, f.Name)
			b = binary.AppendUvarint(b, 1) // value; those of older programs may have several
			b = appendText(b, f.Value)
		}
		b = binary.AppendUvarint(b, uint64(len(m.Data)))
		b = append(b, m.Data...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// sealEntry returns an entry that encodePlain made, encrypted.
func sealEntry(b []byte, keys *atrest.Keys) ([]byte, error) {
	h, err := decodeHead(b)
	if err != nil {
		return nil, err
	}
	head := b[: len(b)-len(h.rest) : len(b)-len(h.rest)]
	head[0] = sealedVersion
	sealed, err := keys.Seal(h.rest, head)
	if err != nil {
		return nil, err
	}
	return append(head, sealed...), nil
}

// DecodeEntry is the reverse of EncodeEntry; of an entry of an older program the
// time is zero. The messages share b's memory, their subjects and headers as well: it
// must not change while they are in use.
func DecodeEntry(b []byte, keys *atrest.Keys) (accepted time.Time, msgs []broker.Message, err error) {
	h, err := decodeHead(b)
	if err != nil {
		return time.Time{}, nil, err
	}
	if h.version == sealedVersion {
		if h.rest, err = keys.Open(h.rest, b[:len(b)-len(h.rest)]); err != nil {
			return time.Time{}, nil, err
		}
	}
	r := entryReader{b: h.rest}
	msgs = make([]broker.Message, 0, min(h.messages, 16))
	for range h.messages {
		m := broker.Message{Subject: r.string(), ID: string(r.text())} // ids are kept for long
		names := r.count()
		m.Header = make(broker.Header, 0, min(names, 16))
		for range names {
			name := r.string()
			for range r.count() {
				m.Header = append(m.Header, broker.Field{Name: name, Value: r.string()})
			}
		}
		m.Data = r.text()
		m.Erased = h.version == erasedVersion && (len(m.Data) == 0 || m.Data[0] == 0)
		if r.failed {
			return time.Time{}, nil, errEntry
		}
		msgs = append(msgs, m)
	}
	if len(r.b) > 0 {
		return time.Time{}, nil, errEntry
	}
	return h.accepted, msgs, nil
}

// AcceptedAt returns when the messages of an entry were accepted, without its key; zero
// if an older program accepted them.
func AcceptedAt(payload []byte) (time.Time, error) {
	h, err := decodeHead(payload)
	return h.accepted, err
}

// CheckKey returns a *atrest.MissingKeyError if the record is an entry that none of the
// keys opens: a journal whose events cannot be published must not take more.
func CheckKey(r journal.Record, keys *atrest.Keys) error {
	if r.Type != journal.Entry {
		return nil
	}
	h, err := decodeHead(r.Payload)
	if err != nil || h.version != sealedVersion {
		return nil // ledger.recover returns that error
	}
	if err := keys.Check(h.rest); err != nil {
		return fmt.Errorf("entry %d: %w", r.Seq, err)
	}
	return nil
}

// entryHead is the part of an entry in front of its messages.
type entryHead struct {
	version  byte
	accepted time.Time
	messages uint64
	rest     []byte
}

func decodeHead(b []byte) (entryHead, error) {
	if len(b) == 0 {
		return entryHead{}, errEntry
	}
	h := entryHead{version: b[0]}
	b = b[1:]
	switch h.version {
	case timelessVersion, erasedVersion:
	case entryVersion, sealedVersion:
		ms, n := binary.Uvarint(b)
		if n <= 0 || ms > 1<<62 {
			return entryHead{}, errEntry
		}
		h.accepted, b = time.UnixMilli(int64(ms)), b[n:]
	default:
		return entryHead{}, fmt.Errorf("%w: version %d, this program reads up to %d", errEntry, h.version, sealedVersion)
	}
	r := entryReader{b: b}
	h.messages = r.count()
	if r.failed || h.messages == 0 {
		return entryHead{}, errEntry
	}
	h.rest = r.b
	return h, nil
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

// string returns a text without copying it.
func (r *entryReader) string() string {
	b := r.text()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (r *entryReader) text() []byte {
	n := r.count()
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}
