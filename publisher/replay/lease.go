package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
)

const (
	// heartbeat is the interval at which a live run writes its record.
	heartbeat = time.Second
	// alive is the age of a record after which its run counts as dead.
	alive = 5 * heartbeat
	// writeTimeout bounds one write of the record.
	writeTimeout = 5 * time.Second
)

var (
	errTaken  = errors.New("the run was taken over by another process")
	errGaveUp = errors.New("no progress")
)

// lease holds a run for this process: it renews the audit record, with the checkpoint, as long as
// the run lives. Its methods may be called at the same time.
type lease struct {
	bucket *audit.Bucket
	where  func() (position, error) // how far the run is, durable in the target
	giveUp time.Duration
	wake   chan struct{} // asks for a write now

	writing sync.Mutex // held during a write
	// Under writing:
	record   audit.Record
	detail   detail
	revision uint64

	mu      sync.Mutex
	written position      // on record
	changed chan struct{} // closed and replaced at each write
}

func newLease(a *audit.Bucket, r audit.Versioned, d detail, giveUp time.Duration) *lease {
	return &lease{bucket: a, giveUp: giveUp, record: r.Record, revision: r.Revision, detail: d,
		wake: make(chan struct{}, 1), written: d.Checkpoint, changed: make(chan struct{})}
}

// write puts the record as it is now. It is errTaken if the run belongs to another
// process.
func (l *lease) write(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	at, err := l.where()
	if err != nil {
		return err
	}
	l.detail.Checkpoint = at
	l.record.Counts["replayed"] = at.Done
	if l.record.Detail, err = json.Marshal(l.detail); err != nil {
		return fmt.Errorf("encode audit record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	revision, err := l.bucket.Replace(ctx, l.record, l.revision)
	if errors.Is(err, audit.ErrChanged) {
		// An earlier write of ours may have come through without an answer.
		if err = l.refreshRevision(ctx); err == nil {
			revision, err = l.bucket.Replace(ctx, l.record, l.revision)
		}
	}
	if err != nil {
		return err
	}
	l.revision = revision
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = at
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// refreshRevision takes the record's revision if this process wrote it.
func (l *lease) refreshRevision(ctx context.Context) error {
	held, err := l.bucket.Get(ctx, l.record.Run)
	if err != nil {
		return err
	}
	d, err := decodeDetail(held.Record)
	if err != nil {
		return err
	}
	if d.Owner != l.detail.Owner {
		return finalError{errTaken}
	}
	l.revision = held.Revision
	return nil
}

// run writes the record from time to time until ctx ends. It calls stop when the
// run must end: it is another process's now, or the record could not be written
// for too long.
func (l *lease) run(ctx context.Context, stop func(error)) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-l.wake:
		}
		err := l.write(ctx)
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil:
			return
		case isFinal(err), refusedForGood(err):
			stop(err)
			return
		case time.Since(last) > l.giveUp:
			stop(fmt.Errorf("%w for %s: %w", errGaveUp, l.giveUp, err))
			return
		}
	}
}

// await returns when a position for which ok is true is on record.
func (l *lease) await(ctx context.Context, ok func(position) bool) error {
	for {
		l.mu.Lock()
		at, changed := l.written, l.changed
		l.mu.Unlock()
		if ok(at) {
			return nil
		}
		select {
		case l.wake <- struct{}{}:
		default:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end writes the last record of this process.
func (l *lease) end(ctx context.Context, res Result, problem string) error {
	l.writing.Lock()
	l.record.State, l.record.Problem = res.State, problem
	l.record.Counts["skipped"] = res.Skipped
	if res.Total >= 0 {
		l.record.Counts["total"] = res.Total
	}
	l.record.Ended = time.Now().UTC()
	l.writing.Unlock()
	return l.write(ctx)
}
