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
	upTo := j.released // not what is released meanwhile: its marks are not safe yet
	j.mu.Unlock()
	if !j.drop(upTo) {
		j.sweep()
	}
}

// drop removes the segments that hold no entry behind upTo, but for the active one.
// It reports whether there were any.
func (j *Journal) drop(upTo Seq) bool {
	if j.taken || j.passedBy(upTo) == 0 || !j.marksSafe() {
		return false
	}
	n := j.passedBy(upTo)
	j.mu.Lock()
	// A copy: readers may hold the slice's first elements, and the rest would keep
	// the removed ones in memory.
	j.garbage = append(j.garbage, j.segs[:n]...)
	j.segs = append([]*segment(nil), j.segs[n:]...)
	j.mu.Unlock()
	j.sweep()
	return true
}

func (j *Journal) passedBy(upTo Seq) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n < len(j.segs)-1 && j.segs[n+1].first <= upTo+1 {
		n++
	}
	return n
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
		if err := j.remove(s); err != nil {
			j.o.Log.Warn("journal segment not removed; trying again", zap.String("segment", s.name()), zap.Error(err))
			return
		}
		j.mu.Lock()
		j.garbage = j.garbage[1:]
		j.mu.Unlock()
	}
}

func (j *Journal) remove(s *segment) error {
	if err := j.checkClaim(); err != nil {
		return err
	}
	if err := j.rescue(s); err != nil {
		return err
	}
	j.closeLeft() // it may be of s, and an open file keeps its space
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

// bytes returns the total size of the journal's files.
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
