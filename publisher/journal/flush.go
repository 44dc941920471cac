package journal

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// write puts buf on stable storage. If it fails, void reports whether it is certain
// that nothing of it will ever be read.
func (j *Journal) write() (void bool, err error) {
	if err = writeAt(j.file, j.buf, j.end); err == nil {
		end := j.end + int64(len(j.buf))
		j.fillAhead(end)
		if err = j.file.Sync(); err == nil {
			if err = j.checkClaim(); err == nil || j.taken {
				return false, err
			}
		}
		if j.filled.to > end && noSpace(err) {
			// The zeros may take the space that the next segment needs. The batch stays: a process
			// that took the directory during the flush may have read it, and counts on it.
			j.filled.off = true
			_ = j.truncate(end)
		}
		// Never flush this file again: the kernel may have dropped what it could not
		// write, and report success.
		return j.abandonSegment(err), fmt.Errorf("flush journal: %w", err)
	}
	cause := fmt.Errorf("write journal: %w", err)
	if err = j.truncate(j.end); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return j.abandonSegment(err), cause
	}
	return true, cause
}

// truncate ends the file of the active segment at end.
func (j *Journal) truncate(end int64) error {
	err := j.file.Truncate(end)
	if err == nil {
		j.filled.to = end
	}
	return err
}

// abandonSegment gives the active segment up. It returns true when the next segment says,
// on stable storage, where this one ends.
func (j *Journal) abandonSegment(cause error) bool {
	j.down = cause
	if err := j.openSegment(); err != nil {
		j.down = errors.Join(cause, err)
		j.sweep()
		return false
	}
	return true
}

// seal ends the log with a seal and lets readers go.
func (j *Journal) seal() {
	j.mu.Lock()
	err := j.fault
	if len(j.marks) == 0 && j.down == nil {
		err = nil // the last failure left nothing undone
	}
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
	if err == nil {
		err = j.checkClaim()
	}
	if j.down == nil && err == nil {
		if j.ahead() > 0 {
			_ = j.truncate(j.end) // it may fail: the seal says where the segment ends
		}
		seal := frame{kind: typeSeal, seq: j.last, flushed: j.end}
		j.buf = appendFrame(j.buf[:0], j.active().salt, seal)
		// Without it a reader can still tell everything but damage at the very end.
		if err = writeAt(j.file, j.buf, j.end); err == nil {
			err = j.file.Sync()
		}
	}
	if j.file != nil {
		if cerr := j.file.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		err = fmt.Errorf("close journal: %w", err)
	}
	j.mu.Lock()
	j.closeErr = err
	j.ended = true // with the last announcement: who looks after it would wait for another
	j.announce()
	j.mu.Unlock()
}

func writeAt(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
