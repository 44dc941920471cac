package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// Reader reads the entries of a journal in order, first the backlog, then what
// comes. One goroutine may use it at a time; each Reader is independent.
type Reader struct {
	j    *Journal
	from Seq // the next entry to return
	seg  *segment
	file *disk.Pages
	scan scanner
}

// NewReader returns a Reader whose first entry is from, or the first one after it
// that is still there. Finding it reads the segment that holds it from the start:
// the journal keeps no index.
func (j *Journal) NewReader(from Seq) *Reader { return &Reader{j: j, from: from} }

// Next returns the next entry. Its payload stays valid, and must not be changed: it may be
// what Append was given. It waits for one to be
// on stable storage, until ctx ends or the journal is closed (ErrClosed). Damaged
// entries are stepped over and reported by Journal.Damage, but not while the disk
// fails as a whole: that is an error. After any error but ErrClosed the same entry is
// tried again.
func (r *Reader) Next(ctx context.Context) (Record, error) {
	for {
		rec, more, err := r.step()
		if more == nil {
			return rec, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Record{}, ctx.Err()
		}
	}
}

// Try returns the next entry like Next, but does not wait: it returns false, without an error, when
// every entry on stable storage was returned or stepped over.
func (r *Reader) Try() (Record, bool, error) {
	rec, more, err := r.step()
	return rec, more == nil && err == nil, err
}

// Pos returns the next entry that the Reader would return. Those before it, from the
// one on that it was made for, were returned, or they are damaged or released.
func (r *Reader) Pos() Seq { return r.from }

// step returns the next entry, or an error, or a channel that is closed when there
// may be more.
func (r *Reader) step() (Record, <-chan struct{}, error) {
	for {
		if rec, more, known, err := r.recall(); known {
			return rec, more, err
		}
		if r.file == nil {
			if err := r.openFile(); err != nil {
				return Record{}, nil, err
			}
		}
		v := r.j.view(r.seg)
		if v.limit != r.scan.limit {
			r.file.Forget() // what was written since may be in the same page
			r.scan.limit = v.limit
		}
		f, g, err := r.scan.next(v.last)
		if g.found() {
			r.j.addDamage(r.seg, g)
			r.j.wake()
		}
		if err == nil && f.kind == Entry && f.seq >= r.from {
			r.from = f.seq + 1
			return Record{Type: Entry, Seq: f.seq, Payload: append([]byte(nil), f.payload...)}, nil, nil
		}
		r.from = max(r.from, r.scan.expect) // also past what is damaged
		switch {
		case errors.Is(err, io.EOF) && v.next != nil:
			r.from = max(r.from, v.next.first)
			_ = r.closeFile() // it was only read
			r.seg = v.next
		case errors.Is(err, io.EOF) && v.closed:
			return Record{}, nil, ErrClosed
		case errors.Is(err, io.EOF):
			return Record{}, v.changed, nil
		case err != nil:
			return Record{}, nil, fmt.Errorf("read journal segment %s at %d: %w", r.seg.name(), r.scan.off, err)
		}
	}
}

// Close gives up the file that the Reader has open. Next may be called again.
func (r *Reader) Close() error {
	r.seg = nil
	return r.closeFile()
}

func (r *Reader) closeFile() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// openFile opens the segment to read on in: r.seg, or if that is nil or gone, the one
// that holds the next entry.
func (r *Reader) openFile() error {
	for {
		if r.seg == nil {
			r.seg = r.j.find(r.from)
			r.from = max(r.from, r.seg.first)
		}
		f, err := r.j.openRead(r.seg, r.j.diskWorks)
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

// view is the part of a segment that a reader may read at a moment.
type view struct {
	limit   int64         // durable up to here
	last    Seq           // last entry before limit
	next    *segment      // the segment after it; nil for the active one
	closed  bool          // nothing will come
	changed chan struct{} // closed when this view is old
}

func (j *Journal) view(s *segment) view {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := view{limit: s.size, last: j.last, next: s.next, closed: j.ended, changed: j.changed}
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
