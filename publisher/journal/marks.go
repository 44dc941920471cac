package journal

import (
	"context"
	"errors"
	"fmt"
)

// maxMarkBytes bounds the marks that wait while nothing can be written.
const maxMarkBytes = 16 << 20

// Mark keeps payload with the next flush, at the latest after about a second, on
// Flush or on Close. It is lost in a crash before that. It is never on stable storage
// unless all entries and marks before it are. Mark does not wait and keeps payload.
func (j *Journal) Mark(payload []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	if j.markSize > maxMarkBytes && j.o.Checkpoint != nil {
		// Nothing has been written for long. The state that they tell of is in the
		// owner's next checkpoint.
		j.marks, j.markSize, j.overflow = nil, 0, true
	}
	j.marks = append(j.marks, payload)
	j.markSize += len(payload)
	j.marksQueued++
	if len(j.marks) == 1 {
		j.markSince = j.o.Now()
		j.schedule()
	}
}

// flushing is a call of Flush that waits.
type flushing struct {
	upTo uint64        // marks, counted since Open
	done chan struct{} // closed when err is set
	err  error
}

var errNotFlushed = errors.New("marks could not be flushed yet")

// Flush returns when every Mark before it is on stable storage, or a checkpoint that
// covers it. It does not wait for a failure to pass: it returns the cause, and the
// marks stay queued. If ctx ends it returns that error.
func (j *Journal) Flush(ctx context.Context) error {
	j.mu.Lock()
	if j.marksKept >= j.marksQueued {
		j.mu.Unlock()
		return nil
	}
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	f := &flushing{upTo: j.marksQueued, done: make(chan struct{})}
	j.flushes = append(j.flushes, f)
	j.mu.Unlock()
	j.wake()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("flush journal: %w", ctx.Err())
	}
}

// answerFlushes answers the Flush calls whose marks are kept, and the first n in
// any case: a round has been made for them. The caller holds mu.
func (j *Journal) answerFlushes(n int) {
	rest := j.flushes[:0]
	for i, f := range j.flushes {
		switch {
		case j.marksKept >= f.upTo:
		case i < n && j.fault != nil:
			f.err = j.fault
		case i < n:
			f.err = errNotFlushed
		default:
			rest = append(rest, f)
			continue
		}
		close(f.done)
	}
	clear(j.flushes[len(rest):])
	j.flushes = rest
}

// marksSafe reports whether segments may be removed: the marks that tell why are on
// stable storage, or they cannot be, because the disk is full.
func (j *Journal) marksSafe() bool {
	j.mu.Lock()
	overflow, none := j.overflow, len(j.marks) == 0
	j.mu.Unlock()
	if none && !overflow {
		return true
	}
	if overflow && !j.yielding {
		// Only a checkpoint tells what the dropped marks would.
		_ = j.roll()
		j.mu.Lock()
		overflow = j.overflow
		j.mu.Unlock()
	}
	err := j.down
	if err == nil {
		if err = j.commit(j.takeMarks()); err == nil {
			return !overflow
		}
	}
	return noSpace(err)
}

// takeMarks returns a batch of all marks that wait.
func (j *Journal) takeMarks() batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	b := batch{marks: j.marks, marked: j.marksQueued}
	j.marks, j.markSize = nil, 0
	return b
}
