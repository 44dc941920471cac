package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
)

// PageBytes is the unit in which a disk fails to read.
const PageBytes = 4096

// Pages reads a file of which the disk may have lost a part. A page that stays
// unreadable reads as zeros: a checksum then reports whether it was anything else.
// One goroutine may use it.
type Pages struct {
	File
	// Sure returns nil if the disk works, so that a page which cannot be read is
	// damaged. A disk that is gone for a while, as on a network, fails every read and
	// has lost nothing. nil: it is known to work.
	Sure func() error
	bad  map[int64]bool // pages that could not be read, by number
}

// ReadAt returns an error other than io.EOF only if it is no matter of single pages.
func (p *Pages) ReadAt(b []byte, off int64) (int, error) {
	if p.Unreadable(off, int64(len(b))) == 0 {
		n, err := p.File.ReadAt(b, off)
		if err == nil || errors.Is(err, io.EOF) || ofWholeFile(err) {
			return n, err
		}
	}
	size, err := p.Size()
	if err != nil {
		return 0, err
	}
	got := 0
	for got < len(b) && off+int64(got) < size {
		at := off + int64(got)
		end := min(int64(len(b)), (at/PageBytes+1)*PageBytes-off, size-off)
		if err := p.readPage(b[got:end], at); err != nil {
			return got, err
		}
		got = int(end)
	}
	if got < len(b) {
		return got, io.EOF
	}
	return got, nil
}

// readPage reads within one page.
func (p *Pages) readPage(b []byte, off int64) error {
	page := off / PageBytes
	var err error
	for range 2 { // a second try: not every error is there to stay
		if p.bad[page] {
			break
		}
		var n int
		n, err = p.File.ReadAt(b, off)
		switch {
		case n == len(b):
			return nil
		case err == nil || errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF // the file became shorter
		case ofWholeFile(err):
			return err
		}
	}
	if !p.bad[page] {
		if p.Sure != nil && p.Sure() != nil {
			return err
		}
		if p.bad == nil {
			p.bad = map[int64]bool{}
		}
		p.bad[page] = true
	}
	clear(b)
	return nil
}

// Unreadable returns how many of n bytes at off are known to be unreadable.
func (p *Pages) Unreadable(off, n int64) (bytes int64) {
	for page := range p.bad {
		bytes += max(0, min(off+n, (page+1)*PageBytes)-max(off, page*PageBytes))
	}
	return bytes
}

// Forget makes the pages that could not be read be read again.
func (p *Pages) Forget() { p.bad = nil }

// WithoutZeros returns the size of the file without the zeros at its end, which is looked for from
// size back. What cannot be read may have been anything.
func (p *Pages) WithoutZeros(size int64) (int64, error) {
	b := make([]byte, 64*PageBytes)
	for end := size; end > 0; {
		n := min(int64(len(b)), end)
		got, err := p.ReadAt(b[:n], end-n)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if p.Unreadable(end-n, n) > 0 {
			return size, nil
		}
		if used := len(bytes.TrimRight(b[:got], "\x00")); used > 0 {
			return end - n + int64(used), nil
		}
		end -= n
	}
	return 0, nil
}

// ofWholeFile reports whether a read error would come back for every page.
func ofWholeFile(err error) bool {
	for _, e := range []error{os.ErrClosed, syscall.EBADF, syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.EISDIR, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
