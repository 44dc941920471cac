package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Open opens the journal in dir, which is made if it is missing, and calls fn for
// every record in order. The payload is valid during the call. Memory is bounded by
// the largest record. An error of fn ends Open.
//
// What a crash leaves is set right without a word. Damage is reported by
// Journal.Damage, before Open returns. A segment in a format of another version is
// an error, and nothing is changed then.
func Open(dir string, o Options, fn func(Record) error) (*Journal, error) {
	o = o.withDefaults()
	j := &Journal{
		dir: dir, o: o, fs: o.FS,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
	if err := j.recover(fn); err != nil {
		if j.file != nil {
			j.file.Close()
		}
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	go j.run()
	j.rouse() // there may be litter
	return j, nil
}

func (j *Journal) recover(fn func(Record) error) error {
	if err := j.fs.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	chain, litter, nextGen, err := j.survey()
	if err != nil {
		return err
	}
	j.nextGen = nextGen
	for i := range chain {
		if err := j.replay(chain, i, fn); err != nil {
			return fmt.Errorf("segment %s: %w", chain[i].name(), err)
		}
	}
	// All is read and of our version: from here on files are changed.
	for _, d := range []string{filepath.Dir(j.dir), j.dir} {
		// What the directory shows may not be on stable storage yet.
		if err := j.fs.SyncDir(d); err != nil {
			return err
		}
	}
	if err := j.dropErased(); err != nil {
		return err
	}
	j.garbage = litter
	if len(chain) == 0 {
		return j.openSegment()
	}
	if err := j.adopt(chain[len(chain)-1]); err != nil {
		return err
	}
	j.rescueNew()
	return nil
}

// replay reads one segment of the chain.
func (j *Journal) replay(chain []chained, i int, fn func(Record) error) error {
	c := chain[i]
	f, err := j.fs.OpenFile(j.path(c.segment), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	w := walk{j: j, c: c, f: f, fn: fn, flushed: -1}
	w.scan = scanner{f: f, salt: c.salt, limit: min(c.limit, c.extent), expect: c.first}
	if c.limit != noLimit {
		w.scan.limit = c.limit // bytes that are missing are damage as well
	}
	if c.next == nil {
		j.last = c.first - 1
	} else {
		j.last = c.next.first - 1
	}
	j.segs = append(j.segs, c.segment)
	err = w.run()
	j.unsure = w.proven
	return err
}

// walk reads one segment during Open.
type walk struct {
	j       *Journal
	c       chained
	f       io.ReaderAt
	fn      func(Record) error
	scan    scanner
	flushed int64 // what frames behind the first bad one prove flushed; -1: not known yet
	proven  int64 // what the frames delivered so far prove flushed
}

func (w *walk) run() error {
	last := w.c.next == nil
	for {
		before := w.scan.expect
		f, g, err := w.scan.next(w.lastHere())
		if err != nil && err != io.EOF {
			return fmt.Errorf("at %d: %w", w.scan.off, err)
		}
		if g.length > 0 && last {
			torn, err := w.torn(g.off)
			if err != nil {
				return err
			}
			if torn {
				w.end(g.off, before)
				return nil
			}
		}
		if err == nil && w.void(f) {
			if before < w.c.next.first {
				w.j.addDamage(w.c.segment, gap{g.off, g.length, before, w.c.next.first - 1})
			}
			w.end(w.scan.off-f.size(), before)
			return nil
		}
		if g.found() {
			w.j.addDamage(w.c.segment, g)
		}
		if err == io.EOF {
			w.end(w.scan.limit, w.scan.expect)
			return nil
		}
		if err := w.deliver(f); err != nil {
			return err
		}
	}
}

func (w *walk) lastHere() Seq {
	if w.c.next != nil {
		return w.c.next.first - 1
	}
	return 0 // nobody knows
}

// void tells whether f is of a batch that failed, in a segment whose successor can
// no longer say where it ends: the successor counts from before f.
func (w *walk) void(f frame) bool {
	next := w.c.next
	if next == nil || w.c.limit != noLimit {
		return false
	}
	return f.due() > next.first || f.kind == Entry && f.seq == next.first
}

// torn tells whether a bad frame at off is what a crash left of the last batch.
func (w *walk) torn(off int64) (bool, error) {
	if w.flushed < 0 {
		var err error
		if w.flushed, err = flushedAfter(w.f, w.c.salt, off, w.c.extent); err != nil {
			return false, err
		}
	}
	return off >= w.flushed, nil
}

// end notes where the segment ends and, of the last one, which entry is the newest.
func (w *walk) end(off int64, due Seq) {
	w.c.size = off
	if w.c.next == nil {
		w.j.last = due - 1
	}
}

func (w *walk) deliver(f frame) error {
	w.proven = max(w.proven, f.flushed)
	r := Record{Type: f.kind, Seq: f.seq, Payload: f.payload}
	switch f.kind {
	case typeSeal:
		return nil
	case typeHeader:
		w.j.head = f.size()
		h, err := decodeHeader(f.payload)
		if err != nil || h.checkpoint == nil {
			return err
		}
		r.Type, r.Payload = Checkpoint, h.checkpoint
	}
	if w.fn == nil {
		return nil
	}
	return w.fn(r)
}

// adopt makes the last segment the active one. What was read of it may so far be
// in the memory of the kernel only.
func (j *Journal) adopt(c chained) error {
	f, err := j.fs.OpenFile(j.path(c.segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	j.file, j.end = f, c.size
	if err := rewrite(f, j.unsure, c.size); err != nil {
		return fmt.Errorf("segment %s: %w", c.name(), err)
	}
	var cut error
	if c.extent > c.size {
		cut = f.Truncate(c.size)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("segment %s: %w", c.name(), err)
	}
	if c.bytes = c.size; cut != nil {
		// The torn batch is still there: the next segment has to say that it is void.
		c.bytes, j.down = c.extent, errors.Join(errors.New("torn batch not cut off"), cut)
	}
	j.wantRoll = !c.intact // nothing is added to a segment without a header
	return nil
}

// rewrite writes the bytes in [from, to) again, as they are. If a process before
// this one saw a flush fail and died, the kernel may think that it has written them.
func rewrite(f File, from, to int64) error {
	b := make([]byte, windowBytes)
	for from < to {
		n := min(to-from, windowBytes)
		if got, err := f.ReadAt(b[:n], from); int64(got) < n {
			return err
		}
		if err := writeAt(f, b[:n], from); noSpace(err) {
			return nil // a file system that copies on write, and is full: the flush must do
		} else if err != nil {
			return err
		}
		from += n
	}
	return nil
}
