package publisher

import (
	"cmp"
	"context"
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
type Audit struct {
	client *client.Client
	kv     jetstream.KeyValue
}

// auditTimeout bounds how long a record may take to be written or read.
const auditTimeout = 10 * time.Second

// ErrNoRun: there is no run of that name.
var ErrNoRun = errors.New("no such run")

// OpenAudit returns the bucket of a bridge, which is made as spec says if it is missing.
func OpenAudit(ctx context.Context, c *client.Client, spec streams.Spec) (*Audit, error) {
	name := spec.Events.Audit()
	began := time.Now()
	kv, err := c.JetStream().KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = spec.MakeAudit(ctx, c.JetStream())
	}
	if err = c.Broker().Explain(err, "KV_"+name, began); err != nil {
		return nil, fmt.Errorf("open audit bucket %s: %w", name, c.Broker().Config().Nobody(err))
	}
	return &Audit{client: c, kv: kv}, nil
}

// Put keeps a record in the place of the run's last one, with Updated set to now.
func (a *Audit) Put(ctx context.Context, r AuditRecord) error {
	r.Updated = time.Now().UTC()
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	b, err := json.Marshal(r)
	if err == nil {
		_, err = a.kv.Put(ctx, r.Run, b)
	}
	if err != nil {
		return fmt.Errorf("write audit record of %s: %w", r.Run, a.unanswered(r.Run, err))
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
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	b, err := json.Marshal(r)
	if err == nil {
		revision, err = a.kv.Update(ctx, r.Run, b, revision)
	}
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, fmt.Errorf("%w: %s", ErrAuditChanged, r.Run)
	}
	if err != nil {
		return 0, fmt.Errorf("write audit record of %s: %w", r.Run, a.unanswered(r.Run, err))
	}
	return revision, nil
}

// unanswered adds to the error of a write that got no answer, on which subject it was, and what
// it needs: the client library writes to a bucket below the prefix of the API.
func (a *Audit) unanswered(run string, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return err
	}
	subject, n := fmt.Sprintf("$KV.%s.%s", a.kv.Bucket(), run), a.client.Broker().Config()
	key, _ := n.Place()
	if key == "" {
		return fmt.Errorf("nothing answers on %s: %w", subject, err)
	}
	subject = n.API() + subject
	if key == "nats.api_prefix" {
		return fmt.Errorf(`nothing answers on %s: with nats.api_prefix the account must import $KV.%s.> to it (docs/operations.md, "NATS where it lives"): %w`, subject, a.kv.Bucket(), err)
	}
	return fmt.Errorf("nothing answers on %s, of %s: %w", subject, key, err)
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
	// A watch of the client library has the server send to an inbox, which an account that imports
	// JetStream does not get, and waits for it for ever.
	prefix := fmt.Sprintf("$KV.%s.", a.kv.Bucket())
	last := map[string]AuditRecord{}
	err := a.client.Follow(ctx, client.FollowOptions{Stream: "KV_" + a.kv.Bucket(), Subjects: []string{prefix + ">"}, FromStart: true, StopAtEnd: true}, func(s client.Message) error {
		key, r := strings.TrimPrefix(s.Subject, prefix), AuditRecord{}
		if err := json.Unmarshal(s.Data, &r); err != nil || r.Run != key {
			delete(last, key) // removed, or somebody else's
			return nil
		}
		last[key] = r
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read audit records: %w", err)
	}
	all := slices.Collect(maps.Values(last))
	all = slices.DeleteFunc(all, func(r AuditRecord) bool { return action != "" && r.Action != action })
	slices.SortFunc(all, func(a, b AuditRecord) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Run, b.Run))
	})
	return all, nil
}

func decodeAudit(entry jetstream.KeyValueEntry) (AuditRecord, error) {
	var r AuditRecord
	if err := json.Unmarshal(entry.Value(), &r); err != nil {
		return r, fmt.Errorf("audit record of %s is malformed: %w", entry.Key(), err)
	}
	return r, nil
}
