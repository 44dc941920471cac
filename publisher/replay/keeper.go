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
	// heartbeat is how often the record is written while a run lives.
	heartbeat = time.Second
	// alive is how old a record may be of a run that lives.
	alive = 5 * heartbeat
	// writeTimeout is for one write of the record.
	writeTimeout = 5 * time.Second
)

var (
	errTaken  = errors.New("the run was taken over by another process")
	errGaveUp = errors.New("no progress")
)

// keeper writes the audit record of a run: the checkpoint, and that the run lives.
// Its methods may be called at the same time.
type keeper struct {
	audit  *audit.Bucket
	where  func() (position, error) // how far the run is, durable in the target
	giveUp time.Duration
	kick   chan struct{} // asks for a write now

	writing sync.Mutex // held during a write
	// Under writing:
	record   audit.Record
	detail   detail
	revision uint64

	mu      sync.Mutex
	written position      // on record
	changed chan struct{} // closed and replaced at each write
}

func newKeeper(a *audit.Bucket, r audit.Versioned, d detail, giveUp time.Duration) *keeper {
	return &keeper{audit: a, giveUp: giveUp, record: r.Record, revision: r.Revision, detail: d,
		kick: make(chan struct{}, 1), written: d.Checkpoint, changed: make(chan struct{})}
}

// write puts the record as it is now. It is errTaken if the run belongs to another
// process.
func (k *keeper) write(ctx context.Context) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	at, err := k.where()
	if err != nil {
		return err
	}
	k.detail.Checkpoint = at
	k.record.Counts["replayed"] = at.Done
	if k.record.Detail, err = json.Marshal(k.detail); err != nil {
		return fmt.Errorf("encode audit record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	revision, err := k.audit.Replace(ctx, k.record, k.revision)
	if errors.Is(err, audit.ErrChanged) {
		// An earlier write of ours may have come through without an answer.
		if err = k.adopt(ctx); err == nil {
			revision, err = k.audit.Replace(ctx, k.record, k.revision)
		}
	}
	if err != nil {
		return err
	}
	k.revision = revision
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written = at
	close(k.changed)
	k.changed = make(chan struct{})
	return nil
}

// adopt takes the record's revision if this process wrote it.
func (k *keeper) adopt(ctx context.Context) error {
	held, err := k.audit.GetVersioned(ctx, k.record.Run)
	if err != nil {
		return err
	}
	d, err := decodeDetail(held.Record)
	if err != nil {
		return err
	}
	if d.Owner != k.detail.Owner {
		return finalError{errTaken}
	}
	k.revision = held.Revision
	return nil
}

// run writes the record from time to time until ctx ends. It calls stop when the
// run must end: it is another process's now, or the record could not be written
// for too long.
func (k *keeper) run(ctx context.Context, stop func(error)) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.kick:
		}
		err := k.write(ctx)
		switch {
		case err == nil:
			last = time.Now()
		case ctx.Err() != nil:
			return
		case isFinal(err), refusedForGood(err):
			stop(err)
			return
		case time.Since(last) > k.giveUp:
			stop(fmt.Errorf("%w for %s: %w", errGaveUp, k.giveUp, err))
			return
		}
	}
}

// await returns when a position for which ok is true is on record.
func (k *keeper) await(ctx context.Context, ok func(position) bool) error {
	for {
		k.mu.Lock()
		at, changed := k.written, k.changed
		k.mu.Unlock()
		if ok(at) {
			return nil
		}
		select {
		case k.kick <- struct{}{}:
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
func (k *keeper) end(ctx context.Context, res Result, problem string) error {
	k.writing.Lock()
	k.record.State, k.record.Problem = res.State, problem
	k.record.Counts["skipped"] = res.Skipped
	if res.Total >= 0 {
		k.record.Counts["total"] = res.Total
	}
	k.record.Ended = time.Now().UTC()
	k.writing.Unlock()
	return k.write(ctx)
}
