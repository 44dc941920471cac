package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Seq numbers the entries of a journal, from 1, without gaps.
type Seq uint64

// Type says what a record is.
type Type uint8

// The types of the records that Open hands out.
const (
	Entry      Type = 1 // given to Append
	Mark       Type = 2 // given to Mark
	Checkpoint Type = 3 // returned by Options.Checkpoint
)

// The types of frames that stay inside.
const (
	typeHeader Type = 4 // first frame of a segment; carries the checkpoint
	typeSeal   Type = 5 // last frame before a clean Close; see the flush rule
)

// Record is a record of the journal.
type Record struct {
	Type Type
	// Seq numbers an entry; of a mark or checkpoint it is the last entry before it.
	Seq     Seq
	Payload []byte
}

const (
	marker    = "TBJ"
	headBytes = 32
	// formatVersion is the version that is written. Version 1 has the same layout; programs that
	// know only that one must not open a directory in which this one has written,
	// for they would add to a segment that is closed.
	formatVersion = 2
	oldestVersion = 1
	frameOverhead = headBytes + 4
	// maxPayload keeps a length within what is sane to hold in memory.
	maxPayload = 256 << 20
)

// errBadFrame is the error of decoding bytes that are not a frame of this segment.
var errBadFrame = errors.New("bad frame")

// versionError is a frame that is whole, and not ours to read.
type versionError struct {
	version byte
}

func (e *versionError) Error() string {
	return fmt.Sprintf("journal format %d; this program reads formats %d to %d", e.version, oldestVersion, formatVersion)
}

// frame is a record as it lies in a segment.
type frame struct {
	kind    Type
	seq     Seq
	flushed int64 // start of its batch: all before it was on stable storage
	payload []byte
}

func (f frame) size() int64 { return frameOverhead + int64(len(f.payload)) }

// due is the entry that comes next where f stands: its own, if f is one.
func (f frame) due() Seq {
	if f.kind == Entry {
		return f.seq
	}
	return f.seq + 1
}

// checksum starts from the salt of the segment; see the package documentation.
func checksum(salt uint32, b []byte) uint32 {
	return crc32.Update(salt, crc32.MakeTable(crc32.Castagnoli), b)
}

// appendFrame appends f to b, little-endian:
//
//	 0  marker "TBJ"           4  length of the payload
//	 3  format version         8  sequence
//	16  flushed               24  type, 3 zero bytes
//	28  CRC-32C of 0..28      32  payload; then the CRC-32C of all before
//
// The marker, the version and the first checksum stay where they are in every
// version. The first checksum makes the length safe to follow before the payload is
// read; without it, a payload full of markers would make a search quadratic.
func appendFrame(b []byte, salt uint32, f frame) []byte {
	start := len(b)
	b = append(b, marker...)
	b = append(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.payload)))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.seq))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.flushed))
	b = append(b, byte(f.kind), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, checksum(salt, b[start:]))
	b = append(b, f.payload...)
	return binary.LittleEndian.AppendUint32(b, checksum(salt, b[start:]))
}

// decodeHead reads the first headBytes of a frame and returns the length of its
// payload. The error is errBadFrame or a *versionError.
func decodeHead(b []byte, salt uint32) (frame, int64, error) {
	if string(b[:3]) != marker || binary.LittleEndian.Uint32(b[28:]) != checksum(salt, b[:28]) {
		return frame{}, 0, errBadFrame
	}
	if b[3] < oldestVersion || b[3] > formatVersion {
		return frame{}, 0, &versionError{version: b[3]}
	}
	f := frame{
		kind:    Type(b[24]),
		seq:     Seq(binary.LittleEndian.Uint64(b[8:])),
		flushed: int64(binary.LittleEndian.Uint64(b[16:])),
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > maxPayload || f.kind < Entry || f.kind > typeSeal {
		return frame{}, 0, errBadFrame
	}
	return f, n, nil
}

// decodeBody checks the whole frame b, whose head is decoded, and gives f its payload.
func decodeBody(f frame, b []byte, salt uint32) (frame, error) {
	end := len(b) - 4
	if binary.LittleEndian.Uint32(b[end:]) != checksum(salt, b[:end]) {
		return frame{}, errBadFrame
	}
	f.payload = b[headBytes:end:end]
	return f, nil
}
