package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/journal/internal/disk"
)

// What an Append that was not kept returns; the cause is wrapped beside it.
var (
	// ErrFull: Options.MaxBytes or Options.Reserve is reached. Nothing was kept.
	ErrFull = errors.New("journal full")
	// ErrVoid: nothing was kept, and nothing will appear.
	ErrVoid = errors.New("record not kept")
	// ErrUnknown: the record may be kept, and may appear in readers or after a restart.
	ErrUnknown = errors.New("record may be kept")
	// ErrClosed: the journal was closed before. Nothing was kept.
	ErrClosed = errors.New("journal closed")
)

type (
	// FS is the file system of a journal.
	FS = disk.FS
	// File is an open file of it.
	File = disk.File
)

// Options of a journal. The zero value of each field is usable.
type Options struct {
	FS FS // nil: the operating system's
	// MaxBytes bounds all segments together; 0: no bound. Marks and checkpoints
	// are written beyond it, for they are what lets a full journal shrink.
	MaxBytes int64
	// Reserve is free disk that entries do not touch. It should have room for marks
	// and the header of a segment: no segment can be removed before the next one is
	// begun, and a disk that entries have filled to the last byte stays full.
	Reserve int64
	// Beside returns the bytes that others will write to the disk for the entries, which new
	// entries leave free too. It is called for each batch, from several goroutines. nil: 0.
	Beside func() int64
	// SegmentBytes is the size after which a new segment is begun; default 64 MiB,
	// and never more than a quarter of MaxBytes.
	SegmentBytes int64
	// SegmentAge is the age of the oldest entry of a segment after which a new segment
	// is begun, also without traffic, so that the old one can be removed once it is
	// released. 0: no bound.
	SegmentAge time.Duration
	// Checkpoint returns the state of the owner, for the head of a new segment. It is
	// called by Open, after all records were handed out, and later from one goroutine.
	// It must not wait for an Append. See the package documentation for what it must
	// cover.
	Checkpoint func() []byte
	// Yield returns the entry up to which the owner can do without, though it did not
	// release them. The oldest segments that hold nothing else are removed when a quarter
	// of the room is left, so that there is some when the owner can do without nothing
	// more, and when there is no room for an entry, before that is refused; no more than
	// needed. Yielded is told up to which entry that was. Both are called as Checkpoint
	// is, and the marks that tell what became of these entries must have been queued
	// before. nil: the owner yields nothing.
	Yield   func() Seq
	Yielded func(upTo Seq)
	// Recent bounds the bytes of the newest entries that are kept in memory until a Reader
	// has returned them, so that one which keeps up reads no file. 0: none are.
	Recent int64
	// OnFlush is told of each entry that is on stable storage, in order, before its
	// Append returns and before a Reader sees it. It must be quick; nil: nobody is
	// told.
	OnFlush func(seq Seq, payload []byte)
	Log     *zap.Logger // nil: none

	// Synchronous, for simulations: no goroutine is started and no timer set. Append,
	// Release, Flush and Close do the work of the committer before they return, and
	// Tick does what is due by the clock. FS may panic to end the run there: the panic
	// passes through, and the journal is closed without a further call of FS.
	Synchronous bool
	// Now is the clock; nil: time.Now. Timers run by the real time in any case.
	Now func() time.Time
	// Rand makes the salts of segments; nil: random ones.
	Rand func() uint32

	markDelay  time.Duration // a mark waits so long for the flush of an entry
	retryDelay time.Duration // least time between two attempts at a new segment
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = disk.OS
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.MaxBytes > 0 {
		o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/4, 1))
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Uint32
	}
	if o.markDelay == 0 {
		o.markDelay = time.Second
	}
	if o.retryDelay == 0 {
		o.retryDelay = 100 * time.Millisecond
	}
	return o
}

// Journal is an open journal. Its methods may be called at once. One process may
// have a directory open, and its owner holds a lock for that; what happens if two do
// is in the package documentation.
type Journal struct {
	dir string
	o   Options
	fs  FS

	requests sync.Pool     // of *request
	woken    chan struct{} // holds one: there is work for the committer
	stopped  chan struct{} // closed when the committer has ended

	mu          sync.Mutex
	queue       queue
	recent      recent
	marks       [][]byte      // not yet on stable storage
	markSize    int           // bytes of marks
	markSince   time.Time     // when the oldest was queued, or tried in vain
	marksQueued uint64        // since Open
	marksKept   uint64        // of them on stable storage, or covered by a checkpoint there
	overflow    bool          // marks were dropped: the next checkpoint must stand for them
	flushes     []*flushing   // calls of Flush that wait
	entrySince  time.Time     // when the active segment got its first entry; zero: it has none
	timer       *time.Timer   // wakes the committer when something is due
	asked       bool          // synchronous only: a round is wanted
	working     bool          // synchronous only: rounds are being done
	released    Seq           // entries up to here are not needed
	segs        []*segment    // oldest first; the last one is active
	last        Seq           // newest entry on stable storage
	changed     chan struct{} // closed and replaced when readers have news
	closed      bool
	closeErr    error // valid once it has ended
	damage      []*Damage
	newDamage   bool       // since the committer last moved some aside
	garbage     []*segment // to be removed, in this order
	stats       counters
	ended       bool  // nothing will come
	fault       error // why the newest attempt to write did not work
	spare       int64 // zeros behind the end of the active segment: room that is not free on the disk
	noRoomFor   int64 // bytes of the newest entry, if it was refused for want of room

	claim atomic.Uint64 // number of our claim; 0: there is none yet

	unsure int64 // Open only: from here on the last segment may not be flushed

	committer // no lock: only the committer uses it
}

// Append keeps payload and returns its sequence number when it is on stable
// storage. If ctx ends before its batch is begun, the error is an ErrVoid, later an
// ErrUnknown; both wrap the cause. The payload must not be changed afterwards, not
// even after an error: its batch may still be under way.
func (j *Journal) Append(ctx context.Context, payload []byte) (Seq, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrVoid, err)
	}
	if len(payload) > maxPayload {
		return 0, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrVoid, len(payload), maxPayload)
	}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return 0, ErrClosed
	}
	r := j.newRequest(payload)
	j.queue.push(r)
	j.mu.Unlock()
	j.wake()
	select {
	case <-r.done:
		return j.answered(r)
	case <-ctx.Done():
		return j.abandon(r, ctx.Err())
	}
}

// abandon takes r back, if it is still in the queue.
func (j *Journal) abandon(r *request, cause error) (Seq, error) {
	j.mu.Lock()
	back := j.queue.withdraw(r)
	j.mu.Unlock()
	if back {
		return 0, fmt.Errorf("%w: still queued: %w", ErrVoid, cause)
	}
	select {
	case <-r.done:
		return j.answered(r)
	default:
		return 0, fmt.Errorf("%w: its flush is under way: %w", ErrUnknown, cause)
	}
}

// Release says that entries up to upTo are not needed again. Segments that hold
// nothing else are removed, oldest first; never the active one. Marks that wait
// are flushed before. After a restart the owner releases again.
func (j *Journal) Release(upTo Seq) {
	j.mu.Lock()
	j.released = max(j.released, min(upTo, j.last))
	j.mu.Unlock()
	j.wake()
}

// Close commits what is queued, flushes the marks and ends the journal. Readers
// get ErrClosed. It waits for a flush that hangs.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.wake()
	if !j.o.Synchronous {
		<-j.stopped
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closeErr
}

func (j *Journal) path(s *segment) string { return filepath.Join(j.dir, s.name()) }
