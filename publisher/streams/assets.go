package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
)

// Asset is a stream or a bucket that the bridge or one of its commands makes in NATS. All of them
// are here; beside them there are only consumers without a name of their own, which the server
// removes within a minute when nobody uses them.
type Asset struct {
	Stream   string // its name; of a bucket that of its stream
	What     string // what is in it
	MaxBytes int64  // with which it is made; 0 or less: unlimited
	BytesKey string // the key of the configuration that bounds it
	AgeKey   string // the key for how long it keeps, "" if it keeps for ever
	Lazy     bool   // made by the first command that needs it, not by the bridge
	MadeBy   string // who makes it
}

// Assets returns the streams and buckets that a bridge and its commands create.
func (s Spec) Assets() []Asset {
	return []Asset{
		{string(s.Events), "events", int64(s.MaxBytes), "publisher.max_bytes", "publisher.max_age", false, "the bridge"},
		{s.Events.Quarantine(), "refused bodies", int64(s.QuarantineMaxBytes), "publisher.quarantine_max_bytes", "publisher.quarantine_max_age", false, "the bridge"},
		{s.Events.Replay(), "replayed events", int64(s.ReplayMaxBytes), "publisher.replay_max_bytes", "publisher.replay_max_age", true, "replay, to its own stream"},
		{"KV_" + s.Events.Audit(), "a record of each run", int64(s.AuditMaxBytes), "publisher.audit_max_bytes", "", true, "replay, forget, quarantine drop"},
	}
}

// The replay stream.
const (
	replayDuplicates = 10 * time.Minute
	replayBound      = value.GiB // where the account takes only streams with a limit
)

// SuggestedBytes is the advised limit where an account takes only streams with one: every
// account is likely to have it, and it can be raised at any time.
const SuggestedBytes = value.GiB

// MakeReplay makes the replay stream.
func (s Spec) MakeReplay(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	cfg := s.stream(jetstream.StreamConfig{
		Name:        s.Events.Replay(),
		Description: "Events that treble-bridge replayed",
		Subjects:    []string{s.Prefix.AllReplay()},
		MaxAge:      s.ReplayMaxAge,
		MaxBytes:    int64(s.ReplayMaxBytes),
	})
	// A run that does not fit is refused, instead of removing its own first events.
	cfg.Discard, cfg.Duplicates = jetstream.DiscardNew, within(replayDuplicates, s.ReplayMaxAge)
	made, err := js.CreateStream(ctx, cfg)
	if errorCode(err) == server.JSStreamMaxBytesRequired && cfg.MaxBytes < 0 {
		cfg.MaxBytes = int64(replayBound)
		made, err = js.CreateStream(ctx, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("make stream %s: %w", cfg.Name, withFix(err, s, "publisher.replay_max_bytes"))
	}
	return made, nil
}

// within is a duplicate window that fits the age limit of its stream; 0: no limit.
func within(window, maxAge time.Duration) time.Duration {
	if maxAge > 0 {
		return min(window, maxAge)
	}
	return window
}

// MakeAudit makes the bucket with the records of runs.
func (s Spec) MakeAudit(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:      s.Events.Audit(),
		Description: "What treble-bridge's commands did to its streams",
		Storage:     jetstream.FileStorage,
		MaxBytes:    unlimitedIfZero(int64(s.AuditMaxBytes)),
		Replicas:    s.Replicas,
	})
	if err != nil {
		return nil, withFix(err, s, "publisher.audit_max_bytes")
	}
	return kv, nil
}

// errorCode returns the code of an error that JetStream answered, else 0.
func errorCode(err error) server.ErrorIdentifier {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return server.ErrorIdentifier(api.ErrorCode)
	}
	return 0
}

// refusal returns the fix after JetStream refused to create a stream. The key is that which bounds
// it; ok is false for a refusal that is not known.
func refusal(err error, s Spec, bytesKey string) (f fix, ok bool) {
	const account = "# in jetstream of the account"
	switch errorCode(err) {
	case server.JSStreamMaxBytesRequired:
		return setting(bytesKey, SuggestedBytes), true
	case server.JSStreamMaxStreamBytesExceeded:
		return setting(bytesKey, "<at most disk_max_stream_bytes of the account: nats account info>"), true
	case server.JSStorageResourcesExceededErr, server.JSInsufficientResourcesErr, server.JSAccountResourcesExceededErr:
		return setting(bytesKey, "<less than what is free: nats account info>"), true
	case server.JSMaximumStreamsLimitErr:
		return inServer("max_streams: <one more than now>  %s", account), true
	case server.JSStreamReplicasNotSupportedErr:
		return setting("publisher.replicas", 1), true
	case server.JSNotEnabledForAccountErr, server.JSNotEnabledErr:
		return inServer("jetstream: enabled  # in the account"), true
	case server.JSClusterNoPeersErrF:
		return inShell("nats server report jetstream  # too few servers are up, or have room, for %d replicas", s.Replicas), true
	}
	return fix{}, false
}

// withFix adds to a refusal what mends it, for the commands that make something.
func withFix(err error, s Spec, bytesKey string) error {
	f, ok := refusal(err, s, bytesKey)
	if !ok {
		return err
	}
	return fmt.Errorf("%w%s", err, FixClause(f.line, f.in))
}
