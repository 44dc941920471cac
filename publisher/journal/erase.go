package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Eraser says what is to be erased, and by what it is replaced.
type Eraser struct {
	// Chosen tells whether an entry is to be erased. Stretches of damage are shown
	// to it with sequence 0, in pieces. It may be asked more than once.
	Chosen func(seq Seq, payload []byte) bool
	// Erased returns what an entry holds instead, in as many bytes. It is called once
	// for each entry that is replaced. Damage is replaced by zeros without it.
	Erased func(seq Seq, payload []byte) []byte
}

// Erasure is what Erase replaced.
type Erasure struct {
	Entries int64
	Damage  int64 // pieces of damaged bytes
}

// eraseSuffix ends the name of a segment that is being written again. Open removes
// what a crash leaves of one.
const eraseSuffix = ".erase"

// rollTimeout is how long Erase waits for a new segment.
const rollTimeout = 10 * time.Second

var errErasing = errors.New("the journal is being erased already")

// Erase replaces entries for good: when it returns without an error, what they
// held is overwritten on stable storage, as far as the file system writes in place.
// Sequences, order and sizes stay. The journal can be used meanwhile; entries that
// are appended after the call may or may not be shown to the Eraser. After an error
// or a crash each entry is the old one or the erased one; to call again goes on.
//
// A checkpoint is on stable storage before anything is replaced, so that whatever
// the owner knew of the entries is known after a crash too. Segments are not
// removed while it runs, and it needs free disk for the largest of them.
func (j *Journal) Erase(ctx context.Context, e Eraser) (Erasure, error) {
	var total Erasure
	if err := j.beginErase(); err != nil {
		return total, err
	}
	defer j.endErase()
	j.mu.Lock()
	segs := append([]*segment(nil), j.segs...)
	j.mu.Unlock()
	rolled := false
	for i := 0; i < len(segs); i++ {
		s := segs[i]
		found, err := j.holds(ctx, s, e)
		if err != nil {
			return total, fmt.Errorf("erase in journal segment %s: %w", s.name(), err)
		}
		if !found {
			continue
		}
		if !rolled {
			// Also if an older segment is the one to be changed: for the checkpoint.
			if err := j.roll(ctx); err != nil {
				return total, fmt.Errorf("erase in journal: %w", err)
			}
			rolled = true
		}
		n, err := j.eraseIn(ctx, s, e)
		total.Entries += n.Entries
		total.Damage += n.Damage
		if err != nil {
			return total, fmt.Errorf("erase in journal segment %s: %w", s.name(), err)
		}
	}
	return total, nil
}

func (j *Journal) beginErase() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return ErrClosed
	case j.erasing:
		return errErasing
	}
	j.erasing = true
	return nil
}

func (j *Journal) endErase() {
	j.mu.Lock()
	j.erasing = false
	j.mu.Unlock()
	j.rouse() // segments may be due to be removed
}

// roll returns when a new segment was begun.
func (j *Journal) roll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rollTimeout)
	defer cancel()
	j.mu.Lock()
	before := j.active()
	j.rollAsked = true
	j.mu.Unlock()
	for {
		j.mu.Lock()
		begun, changed, fault := j.active() != before, j.changed, j.fault
		j.mu.Unlock()
		if begun {
			return nil
		}
		j.rouse()
		select {
		case <-changed:
		case <-time.After(j.o.retryDelay):
		case <-j.stopped:
			return ErrClosed
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("begin a new segment: %w", ctx.Err()), fault)
		}
	}
}

// holds tells whether anything in s is to be erased: a chosen entry, or bytes
// behind the last valid one, which nobody knows.
func (j *Journal) holds(ctx context.Context, s *segment, e Eraser) (bool, error) {
	f, err := j.fs.OpenFile(j.path(s), os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	v := j.view(s)
	if extent, err := f.Size(); err != nil {
		return false, err
	} else if v.next != nil && extent > v.limit {
		return true, nil
	}
	if v.next != nil {
		// What a failed flush left behind the last valid byte was cut off, and that
		// need not be on stable storage.
		if err := f.Sync(); err != nil {
			return false, err
		}
	}
	found := false
	err = j.pieces(ctx, f, s, v, func(p piece) error {
		if found = p.chosen(e); found {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, err
}

var errFound = errors.New("found")

// piece is a frame of a segment, or some damaged bytes of it.
type piece struct {
	frame
	damage []byte // nil: it is a frame
}

func (p piece) chosen(e Eraser) bool {
	if p.damage != nil {
		return e.Chosen(0, p.damage)
	}
	return p.kind == Entry && e.Chosen(p.seq, p.payload)
}

// pieces calls fn for all that is valid in s, in order and without gaps.
func (j *Journal) pieces(ctx context.Context, f File, s *segment, v view, fn func(piece) error) error {
	sc := scanner{f: f, salt: s.salt, limit: v.limit, expect: s.first}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fr, g, err := sc.next(v.last)
		if err != nil && err != io.EOF {
			return err
		}
		for off := g.off; off < g.off+g.length; {
			b := make([]byte, min(g.off+g.length-off, batchBytes))
			got, err := f.ReadAt(b, off)
			if err != nil && err != io.EOF {
				return err
			}
			if got == 0 {
				break // the bytes are missing
			}
			if err := fn(piece{damage: b[:got]}); err != nil {
				return err
			}
			off += int64(got)
		}
		if err == io.EOF {
			return nil
		}
		if err := fn(piece{frame: fr}); err != nil {
			return err
		}
	}
}

// eraseIn puts a copy of s without what is chosen in its place, and overwrites the
// file that was there. The caller sees to it that s is not written to any more.
func (j *Journal) eraseIn(ctx context.Context, s *segment, e Eraser) (Erasure, error) {
	old, err := j.fs.OpenFile(j.path(s), os.O_RDWR, 0)
	if err != nil {
		return Erasure{}, err
	}
	defer old.Close()
	extent, err := old.Size()
	if err != nil {
		return Erasure{}, err
	}
	n, err := j.writeErased(ctx, old, extent, s, e)
	if err == nil {
		if err = j.fs.Rename(j.path(s)+eraseSuffix, j.path(s)); err == nil {
			j.renewed(s)
			err = j.fs.SyncDir(j.dir)
		}
	}
	if err != nil {
		// What is left of it holds nothing that is not in the segment too.
		_ = j.fs.Remove(j.path(s) + eraseSuffix)
		return Erasure{}, err
	}
	// Nobody finds this file any more, so it can be torn. Readers that have it open
	// learn of the new one: see Reader.Next.
	if err := overwrite(old, extent); err != nil {
		return n, fmt.Errorf("overwrite what it held: %w", err)
	}
	return n, nil
}

// renewed tells readers that the file of s is another one.
func (j *Journal) renewed(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.edition++
	s.bytes = s.size
}

// writeErased writes the copy and flushes it.
func (j *Journal) writeErased(ctx context.Context, old File, extent int64, s *segment, e Eraser) (n Erasure, err error) {
	f, err := j.fs.OpenFile(j.path(s)+eraseSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return n, err
	}
	defer f.Close()
	if err := f.Truncate(0); err != nil {
		return n, err
	}
	var buf []byte
	var off int64
	flush := func() error {
		err := writeAt(f, buf, off)
		off += int64(len(buf))
		buf = buf[:0]
		return err
	}
	v := j.view(s)
	err = j.pieces(ctx, old, s, v, func(p piece) error {
		chosen := p.chosen(e)
		switch {
		case p.damage != nil && chosen:
			n.Damage++
			clear(p.damage)
			fallthrough
		case p.damage != nil:
			buf = append(buf, p.damage...)
		case chosen:
			n.Entries++
			erased := e.Erased(p.seq, p.payload)
			if len(erased) != len(p.payload) {
				return fmt.Errorf("entry %d has %d bytes, and its erased form %d", p.seq, len(p.payload), len(erased))
			}
			p.payload = erased
			fallthrough
		default:
			buf = appendFrame(buf, s.salt, p.frame)
		}
		if len(buf) < windowBytes {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if want := min(v.limit, extent); err == nil && off != want {
		err = fmt.Errorf("its copy has %d bytes instead of %d", off, want)
	}
	if err == nil {
		err = f.Sync()
	}
	return n, err
}

// overwrite replaces the bytes of f by zeros and flushes it.
func overwrite(f File, extent int64) error {
	zeros := make([]byte, windowBytes)
	for off := int64(0); off < extent; off += windowBytes {
		if err := writeAt(f, zeros[:min(extent-off, windowBytes)], off); err != nil {
			return err
		}
	}
	return f.Sync()
}

// dropErased removes what a crash left of an Erase.
func (j *Journal) dropErased() error {
	names, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if segment, ok := strings.CutSuffix(name, eraseSuffix); ok && parseName(segment) != nil {
			if err := j.fs.Remove(filepath.Join(j.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
