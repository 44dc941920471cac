package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/schema"
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

// Assets are all that a bridge and its commands make with a configuration.
func (c Config) Assets() []Asset {
	return []Asset{
		{c.Stream, "events", int64(c.MaxBytes), "publisher.max_bytes", "publisher.max_age", false, "the bridge"},
		{c.quarantineStream(), "refused bodies", int64(c.QuarantineMaxBytes), "publisher.quarantine_max_bytes", "publisher.quarantine_max_age", false, "the bridge"},
		{c.ReplayStream(), "replayed events", int64(c.ReplayMaxBytes), "publisher.replay_max_bytes", "publisher.replay_max_age", true, "replay, to its own stream"},
		{"KV_" + c.auditBucket(), "a record of each run", int64(c.AuditMaxBytes), "publisher.audit_max_bytes", "", true, "replay, forget, quarantine drop"},
	}
}

func (c Config) quarantineStream() string { return c.Stream + "_QUARANTINE" }
func (c Config) auditBucket() string      { return c.Stream + "_AUDIT" }

// ReplayStream is the name of the stream into which events are replayed unless another is named.
func (c Config) ReplayStream() string { return c.Stream + "_REPLAY" }

// The replay stream.
const (
	replayDuplicates = 10 * time.Minute
	replayBound      = value.GiB // where the account takes only streams with a limit
)

// SuggestedBytes is what is advised where an account takes only streams with a limit: every
// account is likely to have it, and it can be raised at any time.
const SuggestedBytes = value.GiB

// MakeReplayStream makes the replay stream.
func (c *Client) MakeReplayStream(ctx context.Context) (jetstream.Stream, error) {
	cfg := jetstream.StreamConfig{
		Name:        c.cfg.ReplayStream(),
		Description: "Events that treble-bridge replayed",
		Subjects:    []string{schema.Prefix(c.cfg.SubjectPrefix).AllReplay()},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		// Whoever bounds it gets an error in time, and not half a run.
		Discard:     jetstream.DiscardNew,
		MaxAge:      c.cfg.ReplayMaxAge,
		MaxBytes:    unlimitedIfZero(int64(c.cfg.ReplayMaxBytes)),
		MaxMsgs:     -1,
		MaxMsgSize:  -1,
		Replicas:    c.cfg.Replicas,
		Duplicates:  within(replayDuplicates, c.cfg.ReplayMaxAge),
		AllowDirect: true,
	}
	s, err := c.js.CreateStream(ctx, cfg)
	if errorCode(err) == server.JSStreamMaxBytesRequired && cfg.MaxBytes < 0 {
		cfg.MaxBytes = int64(replayBound)
		s, err = c.js.CreateStream(ctx, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("make stream %s: %w", cfg.Name, withFix(err, c.cfg, "publisher.replay_max_bytes"))
	}
	return s, nil
}

// within is a duplicate window that fits the age limit of its stream; 0: no limit.
func within(window, maxAge time.Duration) time.Duration {
	if maxAge > 0 {
		return min(window, maxAge)
	}
	return window
}

// makeAudit makes the bucket with the records of runs.
func (c *Client) makeAudit(ctx context.Context) (jetstream.KeyValue, error) {
	name := c.cfg.auditBucket()
	kv, err := c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:      name,
		Description: "What treble-bridge's commands did to its streams",
		Storage:     jetstream.FileStorage,
		MaxBytes:    unlimitedIfZero(int64(c.cfg.AuditMaxBytes)),
		Replicas:    c.cfg.Replicas,
	})
	if err != nil {
		return nil, withFix(err, c.cfg, "publisher.audit_max_bytes")
	}
	return kv, nil
}

// errorCode is that of an answer of JetStream, 0 if it is none.
func errorCode(err error) server.ErrorIdentifier {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return server.ErrorIdentifier(api.ErrorCode)
	}
	return 0
}

// refusal is what mends the refusal of JetStream to make a stream. The key is that which bounds
// it; ok is false for a refusal that is not known.
func refusal(err error, c Config, bytesKey string) (f fix, ok bool) {
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
		return inShell("nats server report jetstream  # too few servers are up, or have room, for %d replicas", c.Replicas), true
	}
	return fix{}, false
}

// withFix adds to a refusal what mends it, for the commands that make something.
func withFix(err error, c Config, bytesKey string) error {
	f, ok := refusal(err, c, bytesKey)
	if !ok {
		return err
	}
	return fmt.Errorf("%w; fix%s: %s", err, where(f.in), f.line)
}
