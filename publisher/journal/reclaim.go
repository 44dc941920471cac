package journal

import (
	"errors"
	"fmt"
	"io/fs"

	"go.uber.org/zap"
)

// reclaim removes the segments whose entries are all released.
func (j *Journal) reclaim() {
	j.mu.Lock()
	n := 0
	for !j.erasing && n < len(j.segs)-1 && j.segs[n+1].first <= j.released+1 {
		n++
	}
	due := n > 0 && len(j.marks) > 0
	j.mu.Unlock()
	if due && !j.flushMarks() {
		n = 0
	}
	j.mu.Lock()
	if j.erasing {
		n = 0 // since a moment ago
	}
	// A copy: readers may hold the slice's first elements, and the rest would keep
	// the removed ones in memory.
	j.garbage = append(j.garbage, j.segs[:n]...)
	j.segs = append([]*segment(nil), j.segs[n:]...)
	j.mu.Unlock()
	j.sweep()
}

// flushMarks tells whether segments may be removed: the marks that tell why are on
// stable storage, or they cannot be, because the disk is full.
func (j *Journal) flushMarks() bool {
	err := j.down
	if err == nil {
		j.mu.Lock()
		b := batch{marks: j.marks}
		j.marks, j.markSize = nil, 0
		j.mu.Unlock()
		if err = j.commit(b); err == nil {
			return true
		}
	}
	return noSpace(err)
}

// sweep removes garbage, one file after the other: a file that comes back after a
// crash must not come back without those behind it. What is left is tried again.
func (j *Journal) sweep() {
	for {
		j.mu.Lock()
		if len(j.garbage) == 0 {
			j.mu.Unlock()
			return
		}
		s := j.garbage[0]
		j.mu.Unlock()
		err := j.remove(s)
		j.mu.Lock()
		if err != nil {
			j.later()
			j.mu.Unlock()
			j.o.Log.Warn("journal segment not removed; trying again", zap.String("segment", s.name()), zap.Error(err))
			return
		}
		j.garbage = j.garbage[1:]
		j.mu.Unlock()
	}
}

func (j *Journal) remove(s *segment) error {
	if err := j.rescue(s); err != nil {
		return err
	}
	if err := j.fs.Remove(j.path(s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return j.fs.SyncDir(j.dir)
}

func (j *Journal) discard(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.garbage = append(j.garbage, s)
}

func (j *Journal) littered() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.garbage) > 0
}

// bytes is what all files of the journal take.
func (j *Journal) bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int64
	for _, s := range j.segs {
		n += s.bytes
	}
	for _, s := range j.garbage {
		n += s.bytes
	}
	return n
}
