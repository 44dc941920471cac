package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Reader reads the entries of a journal in order, first the backlog, then what
// comes. One goroutine may use it at a time; each Reader is independent.
type Reader struct {
	j    *Journal
	from Seq // the next entry to return
	seg  *segment
	file File
	// edition of the segment when file was opened.
	edition int
	scan    scanner
}

// NewReader returns a Reader whose first entry is from, or the first one after it
// that is still there. Finding it reads the segment that holds it from the start:
// the journal keeps no index.
func (j *Journal) NewReader(from Seq) *Reader { return &Reader{j: j, from: from} }

// Next returns the next entry; the caller owns its payload. It waits for one to be
// on stable storage, until ctx ends or the journal is closed (ErrClosed). Damaged
// entries are stepped over and reported by Journal.Damage. After any other error
// the same entry is tried again.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		if r.file == nil {
			if err := r.enter(); err != nil {
				return Record{}, err
			}
		}
		v := r.j.view(r.seg)
		r.scan.limit = v.limit
		f, g, err := r.scan.next(v.last)
		if r.edition != r.j.view(r.seg).edition {
			// The file was replaced, and then overwritten: what was read may be nothing.
			if err := r.leave(); err != nil {
				return Record{}, err
			}
			continue
		}
		if g.found() {
			r.j.addDamage(r.seg, g)
			r.j.rouse()
		}
		switch {
		case err == nil && f.kind == Entry && f.seq >= r.from:
			r.from = f.seq + 1
			return Record{Type: Entry, Seq: f.seq, Payload: append([]byte(nil), f.payload...)}, nil
		case err == io.EOF && v.next != nil:
			r.from = max(r.from, v.next.first)
			r.leave()
			r.seg = v.next
		case err == io.EOF && v.closed:
			return Record{}, ErrClosed
		case err == io.EOF:
			select {
			case <-v.changed:
			case <-ctx.Done():
				return Record{}, ctx.Err()
			}
		case err != nil:
			return Record{}, fmt.Errorf("read journal segment %s at %d: %w", r.seg.name(), r.scan.off, err)
		}
	}
}

// Close gives up the file that the Reader has open. Next may be called again.
func (r *Reader) Close() error {
	r.seg = nil
	return r.leave()
}

func (r *Reader) leave() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// enter opens the segment to read on in: r.seg, or if that is nil or gone, the one
// that holds the next entry.
func (r *Reader) enter() error {
	for {
		if r.seg == nil {
			r.seg = r.j.find(r.from)
			r.from = max(r.from, r.seg.first)
		}
		r.edition = r.j.view(r.seg).edition // before the file: it may be replaced in between
		f, err := r.j.fs.OpenFile(r.j.path(r.seg), os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) && !r.j.has(r.seg) {
			r.seg = nil // reclaimed in the meantime
			continue
		}
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		r.file = f
		r.scan = scanner{f: f, salt: r.seg.salt, expect: r.seg.first, buf: r.scan.buf[:0]}
		return nil
	}
}

// view is what a reader may know of a segment at one moment.
type view struct {
	limit   int64         // durable up to here
	last    Seq           // last entry before limit
	next    *segment      // the segment after it; nil for the active one
	closed  bool          // nothing will come
	changed chan struct{} // closed when this view is old
	edition int
}

func (j *Journal) view(s *segment) view {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := view{limit: s.size, last: j.last, next: s.next, closed: j.ended, changed: j.changed, edition: s.edition}
	if v.next != nil {
		v.last = v.next.first - 1
	}
	return v
}

// find returns the segment that holds seq, or the first one.
func (j *Journal) find(seq Seq) *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.segs[0]
	for s.next != nil && s.next.first <= seq {
		s = s.next
	}
	return s
}

func (j *Journal) has(s *segment) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.segs {
		if t == s {
			return true
		}
	}
	return false
}
