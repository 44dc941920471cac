package publisher

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AuditRecord tells of one run of a command that moved or removed messages. It
// holds no personal data: of a phone number or a session, by which events were
// chosen, only that there was one.
type AuditRecord struct {
	Run     string           `json:"run"`    // its name, unique: such as "replay-k3x9t2"
	Action  string           `json:"action"` // "replay", "forget", …
	Who     string           `json:"who"`    // user@host
	Began   time.Time        `json:"began"`
	Updated time.Time        `json:"updated"`
	Ended   time.Time        `json:"ended,omitzero"` // zero while it runs, and for ever if it was killed
	State   string           `json:"state"`          // AuditRunning, …
	Problem string           `json:"problem,omitempty"`
	Counts  map[string]int64 `json:"counts"`
	Detail  json.RawMessage  `json:"detail,omitempty"` // what the action needs besides
}

// The states of a run.
const (
	AuditRunning = "running" // or killed: see AuditRecord.Updated
	AuditDone    = "done"
	AuditStopped = "stopped" // by whoever ran it, before its end
	AuditFailed  = "failed"
)

// Audit keeps a record of each run in the key-value bucket <stream>_AUDIT,
// beside the streams that the runs are about. Its methods may be called at the
// same time.
type Audit struct{ kv jetstream.KeyValue }

// ErrNoRun: there is no run of that name.
var ErrNoRun = errors.New("no such run")

// OpenAudit returns the bucket, which is made if it is missing.
func (c *Client) OpenAudit(ctx context.Context) (*Audit, error) {
	name := c.cfg.auditBucket()
	kv, err := c.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = c.makeAudit(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open audit bucket %s: %w", name, c.conn.Config().Nobody(err))
	}
	return &Audit{kv: kv}, nil
}

// Put keeps a record in the place of the run's last one, with Updated set to now.
func (a *Audit) Put(ctx context.Context, r AuditRecord) error {
	r.Updated = time.Now().UTC()
	b, err := json.Marshal(r)
	if err == nil {
		_, err = a.kv.Put(ctx, r.Run, b)
	}
	if err != nil {
		return fmt.Errorf("write audit record of %s: %w", r.Run, err)
	}
	return nil
}

// ErrAuditChanged: somebody else wrote the record meanwhile.
var ErrAuditChanged = errors.New("the audit record was changed by another process")

// Replace is Put if the run's last record still has that revision, 0 if there
// must be none; else it is ErrAuditChanged. It returns the new revision. After any
// other error the record may be written or not.
func (a *Audit) Replace(ctx context.Context, r AuditRecord, revision uint64) (uint64, error) {
	r.Updated = time.Now().UTC()
	b, err := json.Marshal(r)
	if err == nil {
		revision, err = a.kv.Update(ctx, r.Run, b, revision)
	}
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fmt.Errorf("%w: %s", ErrAuditChanged, r.Run)
	}
	if err != nil {
		return 0, fmt.Errorf("write audit record of %s: %w", r.Run, err)
	}
	return revision, nil
}

// Get returns the record of a run, or ErrNoRun.
func (a *Audit) Get(ctx context.Context, run string) (AuditRecord, error) {
	r, err := a.Look(ctx, run)
	return r.AuditRecord, err
}

// HeldRecord is a record and what is needed to change it only if nobody else did.
type HeldRecord struct {
	AuditRecord
	Revision uint64
	Age      time.Duration // since it was written, by the server's clock
}

// Look is Get with the record's revision and age.
func (a *Audit) Look(ctx context.Context, run string) (HeldRecord, error) {
	entry, err := a.kv.Get(ctx, run)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrInvalidKey):
		return HeldRecord{}, fmt.Errorf("%w: %q", ErrNoRun, run)
	case err != nil:
		return HeldRecord{}, fmt.Errorf("read audit record of %s: %w", run, err)
	}
	r, err := decodeAudit(entry)
	if err != nil {
		return HeldRecord{}, err
	}
	// The clocks of two hosts may differ by more than a run's heartbeat.
	status, err := a.kv.Status(ctx)
	if err != nil {
		return HeldRecord{}, fmt.Errorf("read audit record of %s: %w", run, err)
	}
	h := HeldRecord{AuditRecord: r, Revision: entry.Revision()}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		h.Age = s.StreamInfo().TimeStamp.Sub(entry.Created())
	}
	return h, nil
}

// List returns the records of an action, or of all if it is empty, the oldest
// first.
func (a *Audit) List(ctx context.Context, action string) ([]AuditRecord, error) {
	entries, err := a.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	defer func() { _ = entries.Stop() }() // the connection may be gone
	var all []AuditRecord
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case entry, ok := <-entries.Updates():
			if !ok {
				return nil, errors.New("read audit records: the connection was lost")
			}
			if entry == nil { // behind the last one
				slices.SortFunc(all, func(a, b AuditRecord) int {
					return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Run, b.Run))
				})
				return all, nil
			}
			r, err := decodeAudit(entry)
			if err != nil || r.Run != entry.Key() {
				continue // somebody else's
			}
			if action == "" || r.Action == action {
				all = append(all, r)
			}
		}
	}
}

func decodeAudit(entry jetstream.KeyValueEntry) (AuditRecord, error) {
	var r AuditRecord
	if err := json.Unmarshal(entry.Value(), &r); err != nil {
		return r, fmt.Errorf("audit record of %s is malformed: %w", entry.Key(), err)
	}
	return r, nil
}
