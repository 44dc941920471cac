package journal

import (
	"fmt"
	"slices"
)

// request is a call of Append. Another call uses it again after its answer was received.
type request struct {
	payload []byte
	state   requestState  // guarded by Journal.mu
	done    chan struct{} // receives once, when seq and err are set
	seq     Seq
	err     error
}

type requestState int

const (
	queued    requestState = iota
	taken                  // by the committer, and cannot be taken back
	withdrawn              // it is still in the queue, and nobody waits for it
)

// newRequest returns one that was used before, or a new one.
func (j *Journal) newRequest(payload []byte) *request {
	r, ok := j.requests.Get().(*request)
	if !ok {
		r = &request{done: make(chan struct{}, 1)}
	}
	r.payload = payload
	return r
}

// answered returns the answer of r, which was received, and keeps r for another one.
func (j *Journal) answered(r *request) (Seq, error) {
	seq, err := r.seq, r.err
	*r = request{done: r.done}
	j.requests.Put(r)
	return seq, err
}

func finish(rs []*request, class, cause error) {
	for _, r := range rs {
		r.err = fmt.Errorf("%w: %w", class, cause)
		r.done <- struct{}{}
	}
}

// queue holds the requests that are in no batch yet, in order.
type queue struct {
	requests []*request
	head     int // of requests: those before it were taken
	live     int // behind it, that are not withdrawn
}

func (q *queue) push(r *request) {
	q.requests = append(q.requests, r)
	q.live++
	q.compact()
}

// withdraw takes r back, and reports false if the committer has it.
func (q *queue) withdraw(r *request) bool {
	if r.state != queued {
		return false
	}
	r.state, r.payload = withdrawn, nil
	q.live--
	q.compact()
	return true
}

// compact forgets what was taken and withdrawn when that is most of what there is: the queue
// need not ever be empty, nor be popped while the disk hangs.
func (q *queue) compact() {
	const few = 64
	if len(q.requests) < few || len(q.requests) < 2*q.live {
		return
	}
	q.requests = slices.DeleteFunc(q.requests[q.head:], func(r *request) bool { return r.state == withdrawn })
	q.head = 0
}

// pop returns the next request; nil if there is none.
func (q *queue) pop() *request {
	for q.head < len(q.requests) {
		r := q.requests[q.head]
		q.requests[q.head] = nil
		q.head++
		if r.state != withdrawn {
			r.state = taken
			q.live--
			return r
		}
	}
	q.requests, q.head = q.requests[:0], 0
	return nil
}

// refuse fails all that is queued: nothing was written for it.
func (j *Journal) refuse(cause error) {
	j.mu.Lock()
	var rs []*request
	for r := j.queue.pop(); r != nil; r = j.queue.pop() {
		rs = append(rs, r)
	}
	j.markSince = j.o.Now()
	j.mu.Unlock()
	j.setFault(cause)
	finish(rs, ErrVoid, cause)
}

// take returns the next batch. From here on its requests cannot be taken back.
func (j *Journal) take() batch {
	room := j.room().bytes
	most := min(batchBytes, j.o.SegmentBytes)
	var full []*request
	var why error
	var size int64
	requests := j.batched[:0]
	for size < most {
		j.mu.Lock()
		r := j.queue.pop()
		j.mu.Unlock()
		if r == nil {
			break
		}
		n := int64(len(r.payload)) + frameOverhead
		if size+n > room {
			if why = j.makeRoom(size + n); why != nil {
				full = append(full, r)
				continue
			}
			room = j.room().bytes
		}
		size += n
		requests = append(requests, r)
	}
	j.batched = requests
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
	room := j.room()
	if room.bytes >= need || room.bytes+j.yieldable() >= need {
		return nil
	}
	return room.limit()
}

// room is the bytes that entries may still take, and what bounds them.
type room struct {
	bytes         int64
	free, reserve int64 // on the disk; reserve is 0 if MaxBytes bounds more
	max           int64
}

// limit says why there is no more room.
func (r room) limit() error {
	if r.reserve > 0 {
		return fmt.Errorf("%d bytes are free on its disk, and events leave %d free", r.free, r.reserve)
	}
	return fmt.Errorf("the limit of %d bytes is reached", r.max)
}

// room returns the room of new entries.
func (j *Journal) room() room {
	reserve := j.o.Reserve
	if j.o.Beside != nil {
		reserve += j.o.Beside()
	}
	return j.roomWithout(reserve)
}

// roomWithout returns the room beside a reserve.
func (j *Journal) roomWithout(reserve int64) room {
	r := room{bytes: 1 << 62, max: j.o.MaxBytes}
	if j.o.MaxBytes > 0 {
		r.bytes = j.o.MaxBytes - j.bytes()
	}
	if reserve <= 0 {
		return r
	}
	j.mu.Lock()
	spare := j.spare
	j.mu.Unlock()
	// If it cannot be told, the write will tell.
	if free, err := j.fs.Free(j.dir); err == nil && free+spare-reserve < r.bytes {
		r.bytes, r.free, r.reserve = free+spare-reserve, free, reserve
	}
	return r
}
