package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// Open opens the journal in dir, which is made if it is missing, and calls fn for
// every record in order. The payload is valid during the call. Memory is bounded by
// the largest record. An error of fn ends Open.
//
// What a crash leaves is set right without a word. Damage, also what the disk cannot
// read, is reported by Journal.Damage, before Open returns. A segment in a format of
// another version is an error, and no segment is changed then.
//
// Another process that has the directory open can write no more: see ErrTaken. On a
// full disk Open succeeds, and Append fails until there is room.
func Open(dir string, o Options, fn func(Record) error) (*Journal, error) {
	o = o.withDefaults()
	j := &Journal{
		dir: filepath.Clean(dir), o: o, fs: o.FS,
		woken: make(chan struct{}, 1), stopped: make(chan struct{}), changed: make(chan struct{}),
	}
	if err := j.recover(fn); err != nil {
		if j.file != nil {
			_ = j.file.Close()
		}
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	if !o.Synchronous {
		go j.run()
	}
	j.wake() // there may be litter
	return j, nil
}

func (j *Journal) recover(fn func(Record) error) error {
	if err := j.makeDir(); err != nil {
		return err
	}
	j.filled.inPlace = j.fs.InPlace(j.dir)
	// Before anything is read: the owner before us then answers nothing that we miss.
	if err := j.takeOver(); err != nil && !noSpace(err) {
		return err
	}
	chain, litter, err := j.survey()
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < surveyTries; tries++ {
		// The owner before us was removing a segment when we took the directory.
		chain, litter, err = j.survey()
	}
	if err != nil {
		return err
	}
	for i := 0; i < len(chain); {
		err := j.replay(chain, i, fn)
		if errors.Is(err, fs.ErrNotExist) && removable(chain, i) {
			if chain = slices.Delete(chain, i, i+1); i == len(chain) {
				chain[i-1].next = nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("segment %s: %w", chain[i].name(), err)
		}
		i++
	}
	// All is read and of our version: from here on files are changed. What the
	// directory shows may not be on stable storage yet.
	if err := j.fs.SyncDir(j.dir); err != nil {
		return err
	}
	if err := j.dropErased(); err != nil {
		return err
	}
	j.garbage = litter
	n := len(chain)
	if n == 0 {
		return j.begin(true)
	}
	last := chain[n-1]
	if n > 1 && last.unused() && j.claim.Load() != 0 && j.cut(chain[n-2]) == nil {
		switch err := j.remove(last.segment); {
		case err == nil:
			j.segs = j.segs[:n-1]
			j.active().next = nil
			j.end = chain[n-2].size
			return j.begin(false)
		case !noSpace(err):
			return err
		}
	}
	if err := j.closeLast(last); err != nil {
		return err
	}
	return j.begin(false)
}

// removable reports whether the owner before us may have been removing chain[i] while we
// took the directory: the oldest one, or what it has found unused.
func removable(chain []chained, i int) bool {
	return i == 0 && len(chain) > 1 || i > 0 && i == len(chain)-1 && chain[i].unused()
}

// makeDir makes the directory, and flushes the names that it needs.
func (j *Journal) makeDir() error {
	parents := []string{filepath.Dir(j.dir)} // always: who made it may have crashed
	for d := parents[0]; d != filepath.Dir(d); d = filepath.Dir(d) {
		there, err := j.fs.Exists(d)
		if err != nil {
			return err
		}
		if there {
			break
		}
		parents = append(parents, filepath.Dir(d))
	}
	if err := j.fs.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	for _, d := range parents {
		if err := j.fs.SyncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// begin begins the segment of this process: nothing is ever added to one of an
// earlier process, which may still be at work on it, or have left bytes in it that
// the kernel has given up.
func (j *Journal) begin(first bool) error {
	if !first {
		j.down = errors.New("the segment is of an earlier process")
	}
	j.rescueNew()
	err := j.openSegment()
	switch {
	case err == nil:
		return nil
	case j.taken, first:
		return err
	}
	j.down = err
	j.sweep()
	j.setFault(err)
	return nil
}

// replay reads one segment of the chain.
func (j *Journal) replay(chain []chained, i int, fn func(Record) error) error {
	c := chain[i]
	f, err := j.openRead(c.segment, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	w := walk{j: j, c: &chain[i], f: f, fn: fn, flushed: -1}
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
	c       *chained
	f       *disk.Pages
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
		if err != nil && !errors.Is(err, io.EOF) {
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
				w.j.addDamage(w.c.segment, gap{off: g.off, length: g.length, first: before, last: w.c.next.first - 1, unreadable: g.unreadable})
			}
			w.end(w.scan.off-f.size(), before)
			return nil
		}
		if g.found() {
			w.j.addDamage(w.c.segment, g)
		}
		if errors.Is(err, io.EOF) {
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
	return 0 // unknown
}

// void reports whether f is of a batch that failed, in a segment whose successor can
// no longer say where it ends: the successor counts from before f.
func (w *walk) void(f frame) bool {
	next := w.c.next
	if next == nil || w.c.limit != noLimit {
		return false
	}
	return f.due() > next.first || f.kind == Entry && f.seq == next.first
}

// torn reports whether a bad frame at off is what a crash left of the last batch. What
// the disk cannot read is damage in any case: it may have been anything.
func (w *walk) torn(off int64) (bool, error) {
	if w.flushed < 0 {
		var err error
		if w.flushed, err = flushedAfter(w.f, w.c.salt, off, w.c.extent); err != nil {
			return false, err
		}
	}
	return off >= w.flushed && w.f.Unreadable(off, w.c.extent-off) == 0, nil
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

// unused reports whether c has a good header and nothing else. Such a segment is removed
// before the next one is begun, so that processes which only come and go leave no files
// behind. Its owner may be alive, and put into it what nobody is answered for: so it is
// never left there without a successor that says where it ends.
func (c *chained) unused() bool { return c.intact && c.extent == c.head }

// cut takes what is void off the file of c, for good, so that the segment behind it, which says
// where c ends, can be removed: whoever gave c up did not flush it again.
func (j *Journal) cut(c chained) error {
	f, err := j.fs.OpenFile(j.path(c.segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if c.size <= c.extent { // also if it is as long as that: the disk may not know it yet
		if err = f.Truncate(c.size); err == nil {
			c.bytes = c.size
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// closeLast makes what was read of the last segment durable: so far it may be in
// the memory of the kernel only. The header of the next one says where it ends.
func (j *Journal) closeLast(c chained) error {
	f, err := j.fs.OpenFile(j.path(c.segment), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	j.file, j.end = f, c.size
	if c.extent > c.size && j.claim.Load() != 0 {
		_ = f.Truncate(c.size) // it may fail, as long as the next header says it
	}
	if err = rewrite(f, j.unsure, c.size); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("segment %s: %w", c.name(), err)
	}
	return nil
}

// oldEraseSuffix ends the name of a copy of a segment that an older version may have
// left when it crashed. What it holds is in the segment too.
const oldEraseSuffix = ".erase"

func (j *Journal) dropErased() error {
	names, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if segment, ok := strings.CutSuffix(name, oldEraseSuffix); ok && parseName(segment) != nil {
			if err := j.fs.Remove(filepath.Join(j.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewrite writes the bytes in [from, to) again, as they are. If a process before
// this one saw a flush fail and died, the kernel may think that it has written them.
// What cannot be read is left alone.
func rewrite(f File, from, to int64) error {
	p := &disk.Pages{File: f}
	b := make([]byte, windowBytes)
	for from < to {
		n := min(to-from, windowBytes)
		if got, err := p.ReadAt(b[:n], from); int64(got) < n {
			return err
		}
		if p.Unreadable(from, n) > 0 && n > disk.PageBytes-from%disk.PageBytes {
			n = disk.PageBytes - from%disk.PageBytes
		}
		if p.Unreadable(from, n) > 0 {
			from += n
			continue
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
