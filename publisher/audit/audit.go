// Package audit keeps the record of a run: what a command moved or removed, when, and on whose
// behalf, in a key-value bucket beside the streams that it is about.
package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// Record describes one run of a command that moved or removed messages. It
// holds no personal data: of a phone number or a session, by which events were
// chosen, only that there was one.
type Record struct {
	Run     string           `json:"run"`    // its name, unique: such as "replay-k3x9t2"
	Action  string           `json:"action"` // "replay", "forget", …
	Who     string           `json:"who"`    // user@host
	Began   time.Time        `json:"began"`
	Updated time.Time        `json:"updated"`
	Ended   time.Time        `json:"ended,omitzero"` // zero while it runs, and for ever if it was killed
	State   string           `json:"state"`          // Running, …
	Problem string           `json:"problem,omitempty"`
	Counts  map[string]int64 `json:"counts"`
	Detail  json.RawMessage  `json:"detail,omitempty"` // what the action needs besides
}

// The states of a run.
const (
	Running = "running" // or killed: see Record.Updated
	Done    = "done"
	Stopped = "stopped" // by the user who ran it, before its end
	Failed  = "failed"
)

// NewRun returns a name for a run of an action, which no other run has.
func NewRun(action string) string { return action + "-" + strings.ToLower(rand.Text()[:10]) }

// Bucket keeps a record of each run in the key-value bucket <stream>_AUDIT,
// beside the streams that the runs are about. Its methods may be called at the
// same time.
type Bucket struct {
	client *client.Client
	kv     jetstream.KeyValue
}

// timeout bounds how long a record may take to be written or read.
const timeout = 10 * time.Second

// ErrNoRun: there is no run of that name.
var ErrNoRun = errors.New("no such run")

// Open returns the bucket of a bridge, which is made as spec says if it is missing.
func Open(ctx context.Context, c *client.Client, spec streams.Spec) (*Bucket, error) {
	name := spec.Events.Audit()
	began := time.Now()
	kv, err := c.JetStream().KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = spec.MakeAudit(ctx, c.JetStream())
	}
	if err = c.Broker().Explain(err, "KV_"+name, began); err != nil {
		return nil, fmt.Errorf("open audit bucket %s: %w", name, c.Broker().Config().ExplainNoResponders(err))
	}
	return &Bucket{client: c, kv: kv}, nil
}

// Put keeps a record in the place of the run's last one, with Updated set to now.
func (b *Bucket) Put(ctx context.Context, r Record) error {
	return b.write(ctx, r, func(ctx context.Context, data []byte) error {
		_, err := b.kv.Put(ctx, r.Run, data)
		return err
	})
}

// write encodes a record, with Updated set to now, for put, which has timeout.
func (b *Bucket) write(ctx context.Context, r Record, put func(ctx context.Context, data []byte) error) error {
	r.Updated = time.Now().UTC()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	data, err := json.Marshal(r)
	if err == nil {
		err = put(ctx, data)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return fmt.Errorf("%w: %s", ErrChanged, r.Run)
	case err != nil:
		return fmt.Errorf("write audit record of %s: %w", r.Run, b.unanswered(r.Run, err))
	}
	return nil
}

// Do keeps a record of a run around do: that it runs, before do begins, and how it ended, whether
// or not it was interrupted. Without the first nothing is done. The run is stopped if ctx ended,
// and failed if do did. do may change what the record says of it, such as its counts. The error is
// that of do, joined with that of writing the end.
func (b *Bucket) Do(ctx context.Context, r *Record, do func(*Record) error) error {
	r.Began, r.State = time.Now().UTC(), Running
	if err := b.Put(ctx, *r); err != nil {
		return err
	}
	err := do(r)
	switch {
	case ctx.Err() != nil:
		r.State = Stopped
	case err != nil:
		r.State, r.Problem = Failed, err.Error()
	default:
		r.State = Done
	}
	r.Ended = time.Now().UTC()
	return errors.Join(err, b.Put(context.WithoutCancel(ctx), *r)) // which has a deadline of its own
}

// ErrChanged says that another process wrote the record meanwhile.
var ErrChanged = errors.New("the audit record was changed by another process")

// Replace puts a record if the run's last one still has that revision, 0 if there
// must be none; else it is ErrChanged. It returns the new revision. After any
// other error the record may be written or not.
func (b *Bucket) Replace(ctx context.Context, r Record, revision uint64) (next uint64, err error) {
	err = b.write(ctx, r, func(ctx context.Context, data []byte) (err error) {
		next, err = b.kv.Update(ctx, r.Run, data, revision)
		return err
	})
	return next, err
}

// unanswered adds to the error of a write that got no answer, on which subject it was, and what
// it needs: the client library writes to a bucket below the prefix of the API.
func (b *Bucket) unanswered(run string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return err
	}
	subject, n := fmt.Sprintf("$KV.%s.%s", b.kv.Bucket(), run), b.client.Broker().Config()
	key, _ := n.Place()
	if key == "" {
		return fmt.Errorf("nothing answers on %s: %w", subject, err)
	}
	subject = n.API() + subject
	if key == "nats.api_prefix" {
		return fmt.Errorf(`nothing answers on %s: with nats.api_prefix the account must import $KV.%s.> to it (docs/operations.md, "NATS where it lives"): %w`, subject, b.kv.Bucket(), err)
	}
	return fmt.Errorf("nothing answers on %s, of %s: %w", subject, key, err)
}

// Versioned is a record with its revision, so that Replace detects another writer.
type Versioned struct {
	Record
	Revision uint64
	Age      time.Duration // since it was written, by the server's clock
}

// Get returns the record of a run, or ErrNoRun.
func (b *Bucket) Get(ctx context.Context, run string) (Versioned, error) {
	entry, err := b.kv.Get(ctx, run)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrInvalidKey):
		return Versioned{}, fmt.Errorf("%w: %q", ErrNoRun, run)
	case err != nil:
		return Versioned{}, fmt.Errorf("read audit record of %s: %w", run, err)
	}
	v := Versioned{Revision: entry.Revision()}
	if err := json.Unmarshal(entry.Value(), &v.Record); err != nil {
		return Versioned{}, fmt.Errorf("audit record of %s is malformed: %w", run, err)
	}
	// The clocks of two hosts may differ by more than a run's heartbeat.
	status, err := b.kv.Status(ctx)
	if err != nil {
		return Versioned{}, fmt.Errorf("read audit record of %s: %w", run, err)
	}
	if s, ok := status.(*jetstream.KeyValueBucketStatus); ok {
		v.Age = s.StreamInfo().TimeStamp.Sub(entry.Created())
	}
	return v, nil
}

// List returns the records of an action, or of all if it is empty, the oldest
// first.
func (b *Bucket) List(ctx context.Context, action string) ([]Record, error) {
	// A watch of the client library has the server send to an inbox, which an account that imports
	// JetStream does not get, and waits for it for ever.
	prefix := fmt.Sprintf("$KV.%s.", b.kv.Bucket())
	last := map[string]Record{}
	o := client.FollowOptions{Stream: "KV_" + b.kv.Bucket(), Subjects: []string{prefix + ">"}, FromStart: true, StopAtEnd: true}
	for m, err := range b.client.Follow(ctx, o) {
		if err != nil {
			return nil, fmt.Errorf("read audit records: %w", err)
		}
		key, r := strings.TrimPrefix(m.Subject, prefix), Record{}
		if err := json.Unmarshal(m.Data, &r); err != nil || r.Run != key {
			delete(last, key) // removed, or no record
			continue
		}
		last[key] = r
	}
	all := slices.Collect(maps.Values(last))
	all = slices.DeleteFunc(all, func(r Record) bool { return action != "" && r.Action != action })
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Run, b.Run))
	})
	return all, nil
}
