package journal

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// segment is a file of the journal. Journal.mu guards size, bytes and next.
type segment struct {
	first Seq    // of the first entry in it, or that would have been
	gen   uint64 // grows with every file; unique
	salt  uint32
	size  int64 // valid and on stable storage up to here
	bytes int64 // that the file takes on disk
	next  *segment
}

const nameFormat = "%020d-%010d-%08x.seg"

// name holds all that must be known if the header is damaged, and sorts in order.
func (s *segment) name() string { return fmt.Sprintf(nameFormat, uint64(s.first), s.gen, s.salt) }

// parseName returns nil if name is not that of a segment.
func parseName(name string) *segment {
	var s segment
	var first uint64
	if _, err := fmt.Sscanf(name, "%d-%d-%x.seg", &first, &s.gen, &s.salt); err != nil {
		return nil
	}
	s.first = Seq(first)
	if s.name() != name || first == 0 {
		return nil
	}
	return &s
}

// header is the payload of the first frame of a segment.
type header struct {
	prevGen    uint64 // 0: there is none before it
	prevValid  int64  // what is beyond in the segment before it, is void
	checkpoint []byte // nil: none was taken
}

func (h header) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, h.prevGen)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.prevValid))
	if h.checkpoint == nil {
		return append(b, 0)
	}
	return append(append(b, 1), h.checkpoint...)
}

func decodeHeader(b []byte) (header, error) {
	if len(b) < 17 {
		return header{}, errBadFrame
	}
	h := header{prevGen: binary.LittleEndian.Uint64(b), prevValid: int64(binary.LittleEndian.Uint64(b[8:]))}
	if b[16] == 1 {
		h.checkpoint = b[17:]
	}
	return h, nil
}

// openRead opens the segment s to be read; sure is that of disk.Pages.
func (j *Journal) openRead(s *segment, sure func() error) (*disk.Pages, error) {
	f, err := j.fs.OpenFile(j.path(s), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return &disk.Pages{File: f, Sure: sure}, nil
}
