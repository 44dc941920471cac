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
	j.markSince = j.o.Now()
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
	room, _ := j.room()
	most := min(batchBytes, j.o.SegmentBytes)
	var requests []*request
	var full []*request
	var why error
	var size int64
	for size < most {
		j.mu.Lock()
		e := j.queue.Front()
		if e == nil {
			j.mu.Unlock()
			break
		}
		r := j.unqueue(e)
		j.mu.Unlock()
		n := int64(len(r.payload)) + frameOverhead
		if size+n > room {
			if why = j.makeRoom(size + n); why != nil {
				full = append(full, r)
				continue
			}
			room, _ = j.room()
		}
		size += n
		requests = append(requests, r)
	}
	b := j.takeMarks()
	b.requests = requests
	if len(full) > 0 || len(requests) > 0 {
		var need int64
		if len(full) > 0 {
			need = int64(len(full[len(full)-1].payload)) + frameOverhead
		}
		j.mu.Lock()
		j.noRoomFor = need
		j.mu.Unlock()
	}
	if len(full) > 0 {
		j.full = true
		finish(full, ErrFull, why)
	}
	return b
}

// Full returns why the newest entry was refused, if that was for want of room and there
// would be none for it now either; else nil. It asks the file system.
func (j *Journal) Full() error {
	j.mu.Lock()
	need := j.noRoomFor
	j.mu.Unlock()
	if need == 0 {
		return nil
	}
	room, limit := j.room()
	if room >= need || room+j.yieldable() >= need {
		return nil
	}
	return limit
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
