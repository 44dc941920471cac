package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// Damage is a stretch of a segment that was on stable storage and is no longer
// what was written.
type Damage struct {
	Segment        string // name of the file
	Offset, Length int64  // Length is 0 if bytes or files are missing
	// Unreadable is the number of bytes that the disk could not read. Their copy is zeros.
	Unreadable int64
	// FirstLost and LastLost are the entries that were in it; both 0: none were.
	FirstLost, LastLost Seq
	// MovedTo is the copy of the damaged bytes; empty until it could be made. The
	// segment is not removed before.
	MovedTo string
	// Known says that the copy was there already: an earlier run reported this.
	Known bool

	seg    *segment
	logged bool
}

// Damage returns what was found damaged in the segments that are, or were since
// Open, part of the journal.
func (j *Journal) Damage() []Damage {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Damage, len(j.damage))
	for i, d := range j.damage {
		all[i] = *d
		all[i].seg, all[i].logged = nil, false
	}
	return all
}

// addDamage notes g once, whoever finds it. The committer moves it aside.
func (j *Journal) addDamage(s *segment, g gap) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range j.damage {
		if d.seg.gen == s.gen && d.Offset == g.off && (d.Length > 0) == (g.length > 0) {
			return
		}
	}
	j.damage = append(j.damage, &Damage{
		Segment: s.name(), Offset: g.off, Length: g.length, Unreadable: g.unreadable,
		FirstLost: g.first, LastLost: g.last, seg: s,
	})
	j.newDamage = true
}

// rescueNew moves aside and logs what was found since the last call. What cannot be
// moved now, is before its segment is removed.
func (j *Journal) rescueNew() {
	j.mu.Lock()
	var fresh []*Damage
	if j.newDamage {
		j.newDamage = false
		for _, d := range j.damage {
			if !d.logged {
				d.logged = true
				fresh = append(fresh, d)
			}
		}
	}
	j.mu.Unlock()
	for _, d := range fresh {
		if err := j.rescue(d.seg); err != nil {
			j.o.Log.Error("journal damage not moved aside yet", zap.Error(err))
		}
		j.logDamage(d)
	}
}

// rescue copies the damaged bytes of s aside, where that was not done yet. Only the
// committer calls it, and Open before there is one.
func (j *Journal) rescue(s *segment) error {
	j.mu.Lock()
	var todo []*Damage
	for _, d := range j.damage {
		if d.seg.gen == s.gen && d.MovedTo == "" && d.Length > 0 {
			todo = append(todo, d)
		}
	}
	j.mu.Unlock()
	for _, d := range todo {
		if err := j.moveAside(d); err != nil {
			return fmt.Errorf("move damaged bytes aside: %w", err)
		}
	}
	return nil
}

// copyName is the name of the copy of d in damaged/.
func copyName(d *Damage) string { return fmt.Sprintf("%s-%d", d.Segment, d.Offset) }

func (j *Journal) moveAside(d *Damage) error {
	dir := filepath.Join(j.dir, datadir.Damaged)
	to := filepath.Join(dir, copyName(d))
	if err := j.fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	src, err := j.openRead(d.seg, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := j.fs.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer dst.Close()
	known := same(src, d, dst)
	if !known {
		err = copyTo(dst, io.NewSectionReader(src, d.Offset, d.Length))
	}
	// Also if it is known: an earlier run may have ended before its flush.
	if err == nil {
		err = errors.Join(dst.Sync(), j.fs.SyncDir(dir), j.fs.SyncDir(j.dir))
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	d.MovedTo, d.Known = to, known
	j.mu.Unlock()
	return nil
}

// same reports whether f is a copy of d, as far as d can still be read: the copy may
// hold more than the disk has today.
func same(src *disk.Pages, d *Damage, f File) bool {
	if size, err := f.Size(); err != nil || size != d.Length {
		return false
	}
	a, b := make([]byte, disk.PageBytes), make([]byte, disk.PageBytes)
	for off := d.Offset; off < d.Offset+d.Length; {
		end := min((off/disk.PageBytes+1)*disk.PageBytes, d.Offset+d.Length)
		n, _ := src.ReadAt(a[:end-off], off)
		m, _ := f.ReadAt(b[:end-off], off-d.Offset)
		if src.Unreadable(off, end-off) == 0 && !bytes.Equal(a[:n], b[:m]) {
			return false
		}
		off = end
	}
	return true
}

func copyTo(dst File, src *io.SectionReader) error {
	if err := dst.Truncate(0); err != nil {
		return err
	}
	b := make([]byte, windowBytes)
	for off := int64(0); off < src.Size(); {
		n, err := src.ReadAt(b, off)
		if n == 0 && err == io.EOF {
			return nil // the segment ends within the damage
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err := writeAt(dst, b[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (j *Journal) logDamage(d *Damage) {
	j.o.Log.Error("journal is damaged",
		zap.String("segment", d.Segment), zap.Int64("offset", d.Offset), zap.Int64("length", d.Length),
		zap.Uint64("first_lost", uint64(d.FirstLost)), zap.Uint64("last_lost", uint64(d.LastLost)),
		zap.String("moved_to", d.MovedTo), zap.Bool("known", d.Known))
}
