package journal

import (
	"container/list"
	"fmt"
)

// request is one Append.
type request struct {
	payload []byte
	place   *list.Element // in the queue; nil once it left; guarded by Journal.mu
	done    chan struct{} // closed when seq and err are set
	seq     Seq
	err     error
}

func finish(rs []*request, class, cause error) {
	for _, r := range rs {
		r.err = fmt.Errorf("%w: %w", class, cause)
		close(r.done)
	}
}

// refuse fails all that is queued: nothing was written for it.
func (j *Journal) refuse(cause error) {
	j.mu.Lock()
	var rs []*request
	for e := j.queue.Front(); e != nil; e = j.queue.Front() {
		rs = append(rs, j.unqueue(e))
	}
	if len(j.marks) > 0 {
		j.later()
	}
	j.mu.Unlock()
	j.setFault(cause)
	finish(rs, ErrVoid, cause)
}

// unqueue takes e off the queue. The caller holds mu.
func (j *Journal) unqueue(e *list.Element) *request {
	r := j.queue.Remove(e).(*request)
	r.place = nil
	return r
}

// take returns the next batch. From here on its requests cannot be taken back.
func (j *Journal) take() batch {
	room, limit := j.room()
	var b batch
	var full []*request
	var size int64
	j.mu.Lock()
	for e := j.queue.Front(); e != nil && size < batchBytes; e = j.queue.Front() {
		r := j.unqueue(e)
		n := int64(len(r.payload)) + frameOverhead
		if size+n > room {
			full = append(full, r)
			continue
		}
		size += n
		b.requests = append(b.requests, r)
	}
	b.marks, j.marks, j.markSize = j.marks, nil, 0
	j.mu.Unlock()
	if len(full) > 0 {
		j.full = true
		finish(full, ErrFull, limit)
	}
	return b
}

// room returns the bytes that entries may still take, and what bounds them.
func (j *Journal) room() (int64, error) {
	const unbounded = 1 << 62
	room, limit := int64(unbounded), error(nil)
	if j.o.MaxBytes > 0 {
		room = j.o.MaxBytes - j.bytes()
		limit = fmt.Errorf("the limit of %d bytes is reached", j.o.MaxBytes)
	}
	if j.o.Reserve <= 0 {
		return room, limit
	}
	// If it cannot be told, the write will tell.
	free, err := j.fs.Free(j.dir)
	if err == nil && free-j.o.Reserve < room {
		return free - j.o.Reserve, fmt.Errorf("%d bytes are free on its disk, %d of them reserved", free, j.o.Reserve)
	}
	return room, limit
}
