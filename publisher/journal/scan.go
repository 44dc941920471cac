package journal

import (
	"bytes"
	"errors"
	"io"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// windowBytes is read at once: large enough for disk speed, small enough for
// several readers.
const windowBytes = 256 << 10

// scanner reads the frames of one segment in order, and finds the next one
// behind bytes that are none. It holds one window of the file, or one frame if
// that is larger.
type scanner struct {
	f      *disk.Pages
	salt   uint32
	off    int64 // of the next frame
	limit  int64 // nothing is read from here on
	expect Seq   // entry that comes next
	buf    []byte
	start  int64 // offset of buf[0]
}

// gap is a range of damaged bytes between two good frames.
type gap struct {
	off, length int64
	first, last Seq   // lost entries; first is 0 if there are none
	unreadable  int64 // of length
}

func (g gap) found() bool { return g.length > 0 || g.first > 0 }

// next returns the next good frame; the payload is valid until the call after.
// The gap tells what had to be stepped over to get there. At the limit the error
// is io.EOF, and last, the last entry that should be there, tells what is missing.
func (s *scanner) next(last Seq) (frame, gap, error) {
	var g gap
	f, err := s.at(s.off)
	if errors.Is(err, errBadFrame) {
		g.off = s.off
		f, err = s.resync(s.off + 1)
		g.length = s.off - g.off
	}
	due := f.due()
	if errors.Is(err, io.EOF) {
		due = last + 1
	} else if err != nil {
		return frame{}, gap{}, err
	}
	g.unreadable = s.f.Unreadable(g.off, g.length)
	if due > s.expect {
		g.first, g.last = s.expect, due-1
		s.expect = due
	}
	if err == nil {
		s.off += f.size()
		s.expect = f.seq + 1
	}
	return f, g, err
}

// at returns the frame at off: errBadFrame if there is none that fits there.
func (s *scanner) at(off int64) (frame, error) {
	left := s.limit - off
	if left <= 0 {
		return frame{}, io.EOF
	}
	if left < frameOverhead {
		return frame{}, errBadFrame
	}
	b, err := s.window(off, headBytes)
	if err != nil {
		return frame{}, err
	}
	f, n, err := decodeHead(b, s.salt)
	if err != nil {
		return frame{}, err
	}
	if n+frameOverhead > left {
		return frame{}, errBadFrame
	}
	if b, err = s.window(off, int(n)+frameOverhead); err != nil {
		return frame{}, err
	}
	if f, err = decodeBody(f, b, s.salt); err != nil {
		return frame{}, err
	}
	// A whole frame in the wrong place (a misdirected write) is damage as well.
	if f.due() < s.expect || f.flushed > off || (f.kind == typeHeader) != (off == 0) {
		return frame{}, errBadFrame
	}
	return f, nil
}

// resync moves to the first good frame at or after off, and returns it. If there
// is none it moves to the limit; the error is io.EOF.
func (s *scanner) resync(off int64) (frame, error) {
	for s.limit-off >= frameOverhead {
		if _, err := s.window(off, headBytes); errors.Is(err, errBadFrame) {
			break
		} else if err != nil {
			return frame{}, err
		}
		w := s.buf[off-s.start:]
		i := bytes.Index(w, []byte(marker))
		if i < 0 {
			off += int64(len(w) - len(marker) + 1)
			continue
		}
		off += int64(i)
		f, err := s.at(off)
		if errors.Is(err, errBadFrame) {
			off++
			continue
		}
		if err == nil {
			s.off = off
		}
		if !errors.Is(err, io.EOF) {
			return f, err
		}
	}
	s.off = s.limit
	return frame{}, io.EOF
}

// window returns the n bytes at off, and reads ahead to have them. A file that
// is too short for them is a bad frame, not an error.
func (s *scanner) window(off int64, n int) ([]byte, error) {
	i := off - s.start
	if i < 0 || i+int64(n) > int64(len(s.buf)) {
		if err := s.fill(off, n); err != nil {
			return nil, err
		}
		if i = 0; n > len(s.buf) {
			return nil, errBadFrame
		}
	}
	return s.buf[i : i+int64(n)], nil
}

func (s *scanner) fill(off int64, n int) error {
	size := int(min(int64(max(n, windowBytes)), s.limit-off))
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	s.start, s.buf = off, s.buf[:size]
	got, err := s.f.ReadAt(s.buf, off)
	s.buf = s.buf[:got]
	if errors.Is(err, io.EOF) || got == size {
		return nil
	}
	s.buf = s.buf[:0]
	return err
}

// flushedAfter returns the largest offset that a good frame at or after off
// proves to be flushed; 0 if there is no such frame.
func flushedAfter(f *disk.Pages, salt uint32, off, limit int64) (int64, error) {
	s := scanner{f: f, salt: salt, limit: limit}
	var flushed int64
	for {
		fr, err := s.resync(off)
		if errors.Is(err, io.EOF) {
			return flushed, nil
		}
		if err != nil {
			return 0, err
		}
		flushed = max(flushed, fr.flushed)
		off = s.off + fr.size()
	}
}
