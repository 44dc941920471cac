package journal

import (
	"runtime"
	"time"

	"go.uber.org/zap"
)

// batchBytes bounds a batch; one larger record is a batch of its own.
const batchBytes = 4 << 20

// committer is the state of the one goroutine that writes, or of the caller whose
// turn it is if the journal is synchronous.
type committer struct {
	file    File  // of the active segment; nil: it is not written to
	left    File  // of one that was left, if it is not flushed yet that zeros were cut off
	end     int64 // all before it is on stable storage
	head    int64 // length of the header
	buf     []byte
	batched []*request // memory for those of a batch
	served  int        // requests of the newest flush that had any
	nextGen uint64
	filled  filling
	zeros   []byte // what is written ahead

	down     error     // set: the active segment is not written to again
	taken    bool      // another process has the directory: nothing is written again
	tried    time.Time // when the newest attempt at a new segment was made
	full     bool      // an entry was refused for want of room since the newest segment was begun
	yielding bool      // segments are being removed to make room
}

// batch has the records and marks that one flush covers.
type batch struct {
	requests []*request
	marks    [][]byte
	marked   uint64 // with it, so many marks are on stable storage
}

// run commits until the journal is closed.
func (j *Journal) run() {
	defer close(j.stopped)
	for range j.woken {
		j.mu.Lock()
		closed := j.closed // read before the rounds: they then see all there ever is
		j.mu.Unlock()
		j.gather()
		for j.round() {
			j.gather()
		}
		if closed {
			j.seal()
			return
		}
	}
}

// gather lets others run as long as that brings more requests, which one flush then serves:
// those whose flush just ended are about to come again. Where the processors have nothing else
// to do it returns at once, but under load: there it pauses, unless as many wait as the last flush served.
func (j *Journal) gather() {
	const most = 256
	waiting := j.waiting()
	for before := -1; waiting > before && waiting < most; {
		runtime.Gosched()
		before, waiting = waiting, j.waiting()
	}
	if waiting > 0 && waiting < j.served && j.served >= underLoad {
		time.Sleep(pause)
	}
}

// A pause is worth its time if it spares flushes, each of which costs 0.1 ms of the processor. Of fewer requests none waits
// for others: a lone one is flushed at once.
const (
	pause     = 200 * time.Microsecond
	underLoad = 8 // requests that a flush serves
)

// waiting is how many requests are in no batch yet.
func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.queue.live
}

// round commits one batch and reclaims. It reports whether requests wait.
func (j *Journal) round() bool {
	j.mu.Lock()
	flushes := len(j.flushes)
	due := j.due()
	j.mu.Unlock()
	if due {
		if err := j.prepare(); err != nil {
			j.refuse(err)
		} else {
			_ = j.commit(j.take()) // its requests are told
		}
	}
	if !j.taken {
		j.rescueNew()
		j.reclaim()
		if !due { // asks the file system, so not for each batch; the owner releases every second
			j.keepFree()
		}
	}
	j.closeLeft() // now that nobody of this batch waits for it
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answerFlushes(flushes)
	j.schedule()
	return j.queue.live > 0
}

// due reports whether there is anything to write now. The caller holds mu.
func (j *Journal) due() bool {
	return j.queue.live > 0 || len(j.flushes) > 0 ||
		len(j.marks) > 0 && (j.closed || j.passed(j.markSince, j.o.markDelay)) ||
		j.aged() || j.full && j.released >= j.last
}

// commit writes b, flushes it and answers its requests.
func (j *Journal) commit(b batch) error {
	if len(b.requests)+len(b.marks) == 0 {
		return nil
	}
	var void bool
	var err error
	for {
		if err = j.down; err != nil { // since room was made, or before
			void = true
			break
		}
		last, off := j.encode(b), j.filled.off
		if void, err = j.write(); err == nil {
			j.committed(b, last)
			return nil
		}
		// If zeros found no space, none are written with b now, and there may be enough for it alone.
		if !void || !noSpace(err) || len(b.requests) == 0 || j.filled.off == off && !j.yieldOne() {
			break
		}
	}
	j.mu.Lock()
	// Whatever became of them: a mark twice is harmless, a lost one is not.
	j.marks = append(b.marks, j.marks...)
	for _, m := range b.marks {
		j.markSize += len(m)
	}
	j.markSince = j.o.Now()
	j.spare = 0 // they were cut off, or nothing is written over them
	j.mu.Unlock()
	class := ErrUnknown
	if void {
		class = ErrVoid
	}
	j.setFault(err) // before anybody is told, who may ask why
	finish(b.requests, class, err)
	return err
}

// encode fills buf with b and returns the last sequence in it. Marks come last,
// so that a torn batch never keeps a mark without the entries before it.
func (j *Journal) encode(b batch) Seq {
	salt := j.active().salt
	last := j.last // only this goroutine changes it
	j.buf = j.buf[:0]
	if cap(j.buf) > 2*batchBytes {
		j.buf = nil // one huge record is no reason to keep its memory
	}
	for _, r := range b.requests {
		last++
		r.seq = last
		j.buf = appendFrame(j.buf, salt, frame{kind: Entry, seq: last, flushed: j.end, payload: r.payload})
	}
	for _, m := range b.marks {
		j.buf = appendFrame(j.buf, salt, frame{kind: Mark, seq: last, flushed: j.end, payload: m})
	}
	return last
}

func (j *Journal) committed(b batch, last Seq) {
	j.end += int64(len(j.buf))
	if len(b.requests) > 0 {
		j.served = len(b.requests)
	}
	if j.o.OnFlush != nil {
		for _, r := range b.requests {
			j.o.OnFlush(r.seq, r.payload)
		}
	}
	j.mu.Lock()
	s := j.active()
	s.size, s.bytes = j.end, j.end
	j.spare = j.ahead()
	j.last = last
	j.stats.flushes++
	j.stats.records += uint64(len(b.requests) + len(b.marks))
	if len(b.requests) > 0 && j.entrySince.IsZero() {
		j.entrySince = j.o.Now()
	}
	if !j.overflow {
		j.marksKept = max(j.marksKept, b.marked)
	}
	for _, r := range b.requests {
		j.recent.add(r.seq, r.payload, j.o.Recent)
	}
	j.announce()
	j.mu.Unlock()
	j.setFault(nil)
	for i, r := range b.requests {
		b.requests[i] = nil
		r.done <- struct{}{}
	}
}

// announce tells readers to look again. The caller holds mu.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// setFault keeps why writing does not work, and logs when that begins and ends.
func (j *Journal) setFault(err error) {
	j.mu.Lock()
	before := j.fault
	j.fault = err
	j.mu.Unlock()
	switch {
	case err != nil && before == nil:
		j.o.Log.Error("journal cannot be written", zap.Error(err))
	case err == nil && before != nil:
		j.o.Log.Info("journal can be written again")
	}
}
