package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// prepare sees to it that the active segment can take a batch. It returns an error
// if nothing can be written now.
func (j *Journal) prepare() error {
	if j.down == nil && !j.rollDue() {
		return nil
	}
	if wait := j.o.retryDelay - time.Since(j.tried); wait > 0 {
		return j.down // nil: the old segment serves a little longer
	}
	if j.down == nil {
		// Before the checkpoint: the owner's state knows less of the entries than the
		// marks say, and a mark behind the checkpoint that covers it comes too late.
		if j.flushMarks(); j.down == nil && !j.rollDue() {
			return nil // a failed write has begun a new segment
		}
	}
	err := j.openSegment()
	if err == nil {
		j.reclaim() // it may be what makes room for this batch
		return nil
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
	if j.stats.overflow || j.wantRoll || j.rollAsked || j.end-j.head >= j.o.SegmentBytes {
		return true
	}
	// Full of what is not needed: only a segment that is not active can be removed.
	return j.full && j.released >= j.last && j.end > j.head
}

// openSegment begins a new segment and makes it the active one. Its header is on
// stable storage, and its name as well, before the old one is left.
func (j *Journal) openSegment() (err error) {
	defer func() {
		if err != nil {
			j.tried = time.Now()
		}
	}()
	h := header{}
	if prev := j.active(); prev != nil {
		h.prevGen, h.prevValid = prev.gen, j.end
		if j.o.Checkpoint != nil {
			h.checkpoint = append([]byte{}, j.o.Checkpoint()...)
		}
	}
	s := &segment{first: j.last + 1, gen: j.nextGen, salt: rand.Uint32()}
	j.nextGen++
	b := appendFrame(nil, s.salt, frame{kind: typeHeader, seq: j.last, payload: h.encode()})
	f, err := j.fs.OpenFile(j.path(s), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		// An empty file may be there all the same. Without a header it means nothing.
		return fmt.Errorf("new journal segment: %w", err)
	}
	if err = writeAt(f, b, 0); err == nil {
		if err = f.Sync(); err == nil {
			err = j.fs.SyncDir(j.dir)
		}
	}
	if err != nil {
		f.Close()
		j.discard(s)
		return fmt.Errorf("new journal segment: %w", err)
	}
	s.size = int64(len(b))
	s.bytes = s.size
	j.activate(s, f)
	return nil
}

func (j *Journal) activate(s *segment, f File) {
	if j.file != nil {
		if j.down != nil {
			// The header of s makes the rest void. This only spares whoever reads the
			// file the sight of it, so it may fail.
			_ = j.file.Truncate(j.end)
		}
		_ = j.file.Close() // all that counts in it is flushed
	}
	j.file, j.end, j.head = f, s.size, s.size
	j.down, j.wantRoll, j.full = nil, false, false
	j.mu.Lock()
	defer j.mu.Unlock()
	if prev := j.active(); prev != nil {
		prev.next = s
	}
	j.segs = append(j.segs, s)
	j.stats.overflow, j.rollAsked = false, false
	j.announce()
}

// active is the segment that is written to; nil while there is none yet. Only
// the committer calls it without the lock: only it changes the last one.
func (j *Journal) active() *segment {
	if len(j.segs) == 0 {
		return nil
	}
	return j.segs[len(j.segs)-1]
}
