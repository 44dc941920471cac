package publisher

import (
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/internal/natsconfig"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
	"github.com/treble-bridge/treble-bridge/schema"
)

// Config says how events are acknowledged and where they are published.
type Config struct {
	Ack                string        `mapstructure:"ack" doc:"when a request is answered: journal (when the event is flushed to the local journal) or stream (after the PubAck of JetStream, without a disk)"`
	AckTimeout         time.Duration `mapstructure:"ack_timeout" doc:"how long to wait for the PubAck"`
	SubjectPrefix      string        `mapstructure:"subject_prefix" doc:"first part of every subject; tokens of a-z, 0-9, _ and -, joined by dots"`
	Stream             string        `mapstructure:"stream" doc:"name of the event stream; the quarantine is <stream>_QUARANTINE"`
	Streams            string        `mapstructure:"streams" doc:"what the bridge does about the streams: create (makes streams that are missing), apply (also extend existing ones that have no subjects of others) or check (only report)"`
	MaxAge             time.Duration `mapstructure:"max_age" doc:"how long the stream keeps events; 0: for ever"`
	MaxBytes           value.Size    `mapstructure:"max_bytes" doc:"how much the stream keeps; 0: unlimited, with the embedded server half of the free disk"`
	QuarantineMaxAge   time.Duration `mapstructure:"quarantine_max_age" doc:"how long the quarantine keeps a refused body; 0: for ever"`
	QuarantineMaxBytes value.Size    `mapstructure:"quarantine_max_bytes" doc:"how much the quarantine keeps; the oldest go first"`
	ReplayMaxAge       time.Duration `mapstructure:"replay_max_age" doc:"how long the stream of replays keeps events, if a replay makes it; 0: for ever"`
	ReplayMaxBytes     value.Size    `mapstructure:"replay_max_bytes" doc:"how much the stream of replays keeps, if a replay makes it; 0: unlimited, or 1GiB in an account that takes only streams with a limit"`
	AuditMaxBytes      value.Size    `mapstructure:"audit_max_bytes" doc:"how much the bucket with the records of replay, forget and quarantine drop keeps, if a command makes it; 0: unlimited"`
	Discard            string        `mapstructure:"discard" doc:"what a full stream does: new (refuse new events) or old (drop the oldest)"`
	Replicas           int           `mapstructure:"replicas" doc:"copies of the stream in a NATS cluster: 1, 3 or 5"`
	Batches            bool          `mapstructure:"batches" doc:"publish what waits together as one batch, which the streams must allow (allow_atomic, and without replicas allow_batched); false: one event at a time"`
	RefusedAfter       time.Duration `mapstructure:"refused_after" doc:"how long an event whose subject the stream does not take holds up the others, before it is set aside"`
	DuplicateWindow    time.Duration `mapstructure:"duplicate_window" doc:"how long the stream drops a repeated delivery"`
}

// The values of Config.Ack. Those of Config.Streams and Config.Discard are in package streams.
const (
	AckJournal = "journal"
	AckStream  = "stream"
)

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config {
	return Config{
		Ack:                AckJournal,
		AckTimeout:         2 * time.Second,
		SubjectPrefix:      "treble",
		Stream:             "TREBLE",
		Streams:            streams.Create,
		MaxAge:             720 * time.Hour,
		QuarantineMaxAge:   720 * time.Hour,
		QuarantineMaxBytes: value.GiB,
		ReplayMaxAge:       7 * 24 * time.Hour,
		AuditMaxBytes:      64 * value.MiB,
		Discard:            streams.DiscardNew,
		Replicas:           1,
		Batches:            true,
		RefusedAfter:       time.Minute,
		DuplicateWindow:    10 * time.Minute,
	}
}

// Spec returns what the streams have to be like. embeddedIn is the data directory of the
// bridge if they are in its embedded server, else "".
func (c Config) Spec(embeddedIn string) streams.Spec {
	return streams.Spec{
		Events:             schema.StreamName(c.Stream),
		Prefix:             schema.Prefix(c.SubjectPrefix),
		Mode:               c.Streams,
		MaxAge:             c.MaxAge,
		MaxBytes:           c.MaxBytes,
		QuarantineMaxAge:   c.QuarantineMaxAge,
		QuarantineMaxBytes: c.QuarantineMaxBytes,
		ReplayMaxAge:       c.ReplayMaxAge,
		ReplayMaxBytes:     c.ReplayMaxBytes,
		AuditMaxBytes:      c.AuditMaxBytes,
		Discard:            c.Discard,
		Replicas:           c.Replicas,
		Batches:            c.Batches,
		DuplicateWindow:    c.DuplicateWindow,
		EmbeddedIn:         embeddedIn,
	}
}

// JournalConfig bounds the journal of accepted events in data_dir/journal.
type JournalConfig struct {
	MaxBytes value.Size    `mapstructure:"max_bytes" doc:"how large the journal may grow; then events are answered 503 until there is room"`
	Reserve  value.Size    `mapstructure:"reserve" doc:"free disk that the journal leaves alone"`
	Retain   time.Duration `mapstructure:"retain" doc:"how long published events are kept to heal what JetStream loses, counted while it is reachable"`
}

// DefaultJournalConfig returns the documented defaults.
func DefaultJournalConfig() JournalConfig {
	return JournalConfig{MaxBytes: 10 * value.GiB, Reserve: 128 * value.MiB, Retain: 10 * time.Minute}
}

// NATSConfig says which NATS to use: the embedded server, or yours.
type NATSConfig = natsconfig.Config

// TLSConfig is the TLS of the connection to your NATS.
type TLSConfig = natsconfig.TLS

// EmbeddedTLSConfig is the TLS of the embedded server.
type EmbeddedTLSConfig = natsconfig.EmbeddedTLS

// DefaultNATSConfig returns the documented defaults.
func DefaultNATSConfig() NATSConfig { return natsconfig.Default() }
