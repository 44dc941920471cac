// Package message reads and writes files of messages, each an id and its data.
package message

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Write appends a message.
func Write(w *bufio.Writer, id string, data []byte) error {
	var n [2 * binary.MaxVarintLen64]byte
	k := binary.PutUvarint(n[:], uint64(len(id)))
	k += binary.PutUvarint(n[k:], uint64(len(data)))
	for _, b := range [][]byte{n[:k], []byte(id), data} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// Read reads the next one; at the end it returns io.EOF.
func Read(r *bufio.Reader) (id string, data []byte, err error) {
	idLen, err := binary.ReadUvarint(r)
	if err != nil {
		return "", nil, err
	}
	dataLen, err := binary.ReadUvarint(r)
	if err != nil {
		return "", nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, idLen+dataLen)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", nil, io.ErrUnexpectedEOF
	}
	return string(b[:idLen]), b[idLen:], nil
}
