package journal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// prepare sees to it that the active segment can take a batch. It returns an error
// if nothing can be written now.
func (j *Journal) prepare() error {
	if j.taken || j.down == nil && !j.rollDue() {
		return j.down
	}
	before := j.active()
	err := j.roll()
	if j.active() != before {
		j.reclaim() // it may be what makes room for this batch
		j.keepFree()
	}
	return err
}

// roll begins a new segment. If that does not work, the error is nil if the old one
// serves a little longer.
func (j *Journal) roll() error {
	if !j.passed(j.tried, j.o.retryDelay) {
		return j.down
	}
	if j.down == nil {
		// Before the checkpoint: the owner's state knows less of the entries than the
		// marks say, and a mark behind the checkpoint that covers it comes too late.
		before := j.active()
		if _ = j.commit(j.takeMarks()); j.active() != before {
			return nil // a failed write has begun a new segment
		}
	}
	err := j.openSegment()
	for noSpace(err) && j.yieldOne() {
		err = j.openSegment()
	}
	if err == nil {
		return nil
	}
	if j.taken {
		j.setFault(err)
		return err
	}
	if j.sweep(); j.down == nil && !j.littered() {
		j.o.Log.Warn("journal goes on in its old segment")
		return nil
	}
	// A file may be left whose header says that the active segment ends here. What
	// would be written behind that could be taken for void after a crash.
	j.down = err
	return err
}

func (j *Journal) rollDue() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.overflow || j.aged() || j.end-j.head >= j.o.SegmentBytes {
		return true
	}
	// Full of what is not needed: only a segment that is not active can be removed.
	return j.full && j.released >= j.last && j.end > j.head
}

// aged reports whether the oldest entry of the active segment is too old for it to be
// gone on with. Marks hold nothing that must leave the disk. The caller holds mu.
func (j *Journal) aged() bool {
	return j.o.SegmentAge > 0 && !j.entrySince.IsZero() && j.passed(j.entrySince, j.o.SegmentAge)
}

// openSegment begins a new segment and makes it the active one. Its header is on
// stable storage, and its name as well, before the old one is left.
func (j *Journal) openSegment() (err error) {
	j.mu.Lock()
	marks, overflow := j.marksQueued, j.overflow // the checkpoint stands for these
	j.overflow = false                           // marks may be dropped again from here on
	j.mu.Unlock()
	defer func() {
		if err != nil {
			j.tried = j.o.Now()
			j.mu.Lock()
			j.overflow = j.overflow || overflow
			j.mu.Unlock()
		}
	}()
	if j.claim.Load() == 0 {
		err = j.takeOverLate()
	} else {
		err = j.checkClaim()
	}
	if err != nil {
		return fmt.Errorf("new journal segment: %w", err)
	}
	h := header{}
	if prev := j.active(); prev != nil {
		h.prevGen, h.prevValid = prev.gen, j.end
		if j.o.Checkpoint != nil {
			h.checkpoint = append([]byte{}, j.o.Checkpoint()...)
		}
	}
	s, f, err := j.createSegment(h)
	if err != nil {
		return fmt.Errorf("new journal segment: %w", err)
	}
	j.activate(s, f)
	if h.checkpoint != nil {
		j.mu.Lock()
		j.marksKept = max(j.marksKept, marks)
		j.mu.Unlock()
	}
	return nil
}

// createSegment creates the file of the next segment with its header, and flushes both. After an
// error no file with a header is left, unless it cannot be removed or another process took the journal.
func (j *Journal) createSegment(h header) (*segment, File, error) {
	s := &segment{first: j.last + 1, gen: j.nextGen, salt: j.o.Rand()}
	j.nextGen++
	b := appendFrame(nil, s.salt, frame{kind: typeHeader, seq: j.last, payload: h.encode()})
	f, err := j.fs.OpenFile(j.path(s), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		// An empty file may be there all the same. Without a header it means nothing.
		return nil, nil, err
	}
	if err = writeAt(f, b, 0); err == nil {
		if err = f.Sync(); err == nil {
			err = j.fs.SyncDir(j.dir)
		}
	}
	if err == nil {
		// Before anything is put into it: a newer owner that did not see it in its
		// listing takes it for empty.
		err = j.checkClaim()
	}
	if err != nil {
		_ = f.Close()
		if !errors.Is(err, ErrTaken) {
			j.discard(s)
		}
		return nil, nil, err
	}
	s.size = int64(len(b))
	s.bytes = s.size
	return s, f, nil
}

func (j *Journal) activate(s *segment, f File) {
	trimmed, zeros := false, j.filled.to
	if j.file != nil {
		if j.down != nil || j.ahead() > 0 {
			// The header of s makes the rest void. This only spares whoever reads the
			// file the sight of it, and the disk its bytes.
			trimmed = j.truncate(j.end) == nil
		}
		if trimmed && j.down == nil {
			j.closeLeft()
			j.left = j.file
		} else {
			_ = j.file.Close() // all that counts in it is flushed
		}
	}
	j.filled.to, j.filled.off = s.size, j.filled.off && j.down != nil
	j.file, j.end, j.head = f, s.size, s.size
	j.down, j.full = nil, false
	j.mu.Lock()
	defer j.mu.Unlock()
	if prev := j.active(); prev != nil {
		prev.next = s
		if prev.bytes = max(prev.bytes, zeros); trimmed {
			prev.bytes = prev.size
		}
	}
	j.spare = 0
	j.segs = append(j.segs, s)
	j.entrySince = time.Time{}
	j.announce()
}

// closeLeft flushes the segment that was left, and closes it: else its zeros would be back after a power
// loss, and damage if the header behind them is damaged.
func (j *Journal) closeLeft() {
	if j.left != nil {
		_ = j.left.Sync()
		_ = j.left.Close()
		j.left = nil
	}
}

// active is the segment that is written to; nil while there is none yet. Only
// the committer calls it without the lock: only it changes the last one.
func (j *Journal) active() *segment {
	if len(j.segs) == 0 {
		return nil
	}
	return j.segs[len(j.segs)-1]
}
