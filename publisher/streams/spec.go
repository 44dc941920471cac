// Package streams specifies the streams of a bridge: it creates those that are missing, compares
// the existing ones with the specification, and names the line that repairs a difference. A Monitor
// does that for a running bridge, Inspect for a command.
package streams

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/schema"
)

// MinDuplicateWindow is the least that JetStream takes.
const MinDuplicateWindow = 100 * time.Millisecond

// The values of Spec.Mode and Spec.Discard.
const (
	Create     = "create" // makes streams that are missing
	Apply      = "apply"  // also extends existing ones that have no subjects of others
	Check      = "check"  // only reports
	DiscardNew = "new"
	DiscardOld = "old"
)

// Spec says what the streams of a bridge have to be like. The zero value of a size or an
// age is no limit.
type Spec struct {
	Events schema.StreamName
	Prefix schema.Prefix
	Mode   string // Create, …: what is done to streams that are not like it

	MaxAge             time.Duration
	MaxBytes           value.Size
	QuarantineMaxAge   time.Duration
	QuarantineMaxBytes value.Size
	ReplayMaxAge       time.Duration
	ReplayMaxBytes     value.Size
	AuditMaxBytes      value.Size

	Discard         string // DiscardNew or DiscardOld
	Replicas        int
	Batches         bool // events leave in batches
	DuplicateWindow time.Duration

	// EmbeddedIn is the data directory of the bridge if the streams are in its embedded
	// server; "" if they are in a NATS of your own.
	EmbeddedIn string
}

// wantedStream is a stream as the spec has it.
type wantedStream struct {
	jetstream.StreamConfig
	subjects      []string // which must be captured, without wildcards where all are known
	required      bool     // without it nothing can be accepted
	checkOnly     bool     // the bridge does not make it: publisher.streams is check
	exportCommand string   // the command that writes to a file what is in it
	spec          Spec
	bytesKey      string // the key that bounds it

	// maxBytesAtCreation, if set, gives max_bytes for a stream that is made
	// now. An existing one is then not compared.
	maxBytesAtCreation func() int64
}

// wantedStreams are the streams of a bridge as its spec has them, the one of the events
// first. With the embedded server the disk is ours alone: a
// limit makes a full stream a clear 503 instead of a full disk. It is chosen when
// the stream is made and not looked at again, since half of what is free shrinks
// each day.
func wantedStreams(s Spec) []wantedStream {
	events := eventStream(s)
	if s.EmbeddedIn != "" && s.MaxBytes == 0 {
		events.maxBytesAtCreation = func() int64 { return datadir.Free(s.EmbeddedIn) / 2 }
	}
	return []wantedStream{events, quarantineStream(s)}
}

// eventStream is the stream of the events.
func eventStream(s Spec) wantedStream {
	w := s.wanted(jetstream.StreamConfig{
		Name:        string(s.Events),
		Description: "Events of Treble, published by treble-bridge",
		Subjects:    []string{s.Prefix.All()},
		MaxAge:      s.MaxAge,
		MaxBytes:    int64(s.MaxBytes),
		Discard:     jetstream.DiscardNew,
		Duplicates:  s.DuplicateWindow,
	})
	if s.Discard == DiscardOld {
		w.Discard = jetstream.DiscardOld
	}
	w.required, w.bytesKey = true, "publisher.max_bytes"
	w.exportCommand = fmt.Sprintf("treble-bridge replay --to-file ./%s.ndjson", w.Name)
	for _, k := range schema.Kinds() {
		w.subjects = append(w.subjects, s.Prefix.Subject(k))
	}
	return w
}

// quarantineStream is the stream of the refused bodies. It is evidence for the operator, not the
// record of what happened, so the oldest goes first.
func quarantineStream(s Spec) wantedStream {
	w := s.wanted(jetstream.StreamConfig{
		Name:        s.Events.Quarantine(),
		Description: "Bodies that treble-bridge refused",
		Subjects:    []string{s.Prefix.AllQuarantine()},
		MaxAge:      s.QuarantineMaxAge,
		MaxBytes:    int64(s.QuarantineMaxBytes),
		Discard:     jetstream.DiscardOld,
		Duplicates:  within(s.DuplicateWindow, s.QuarantineMaxAge),
	})
	w.bytesKey = "publisher.quarantine_max_bytes"
	w.exportCommand = fmt.Sprintf("treble-bridge quarantine export --to ./%s.ndjson", w.Name)
	for _, r := range schema.Reasons() {
		w.subjects = append(w.subjects, s.Prefix.Quarantine(r))
	}
	return w
}

// wanted is a stream that the bridge publishes to, with what both have.
func (s Spec) wanted(cfg jetstream.StreamConfig) wantedStream {
	w := wantedStream{spec: s, checkOnly: s.Mode == Check, StreamConfig: s.stream(cfg)}
	w.AllowAtomicPublish, w.AllowBatchPublish = s.Batches, s.Batches
	return w
}

// stream adds the settings that all streams of a bridge share to the name, subjects and limits of
// one. A size or an age of 0 is no limit.
func (s Spec) stream(cfg jetstream.StreamConfig) jetstream.StreamConfig {
	cfg.Retention = jetstream.LimitsPolicy
	cfg.Storage = jetstream.FileStorage
	cfg.MaxBytes = unlimitedIfZero(cfg.MaxBytes)
	cfg.MaxMsgs = -1
	cfg.MaxMsgSize = -1
	cfg.Replicas = s.Replicas
	cfg.AllowDirect = true
	return cfg
}

// create returns the configuration for making the stream now. A server that does not know
// fast-ingest batches refuses one that names them.
func (w wantedStream) create(server serverFacts) jetstream.StreamConfig {
	cfg := w.StreamConfig
	cfg.AllowBatchPublish = cfg.AllowBatchPublish && server.fast
	cfg.MaxBytes = w.bytesAtCreation()
	return cfg
}

// bytesAtCreation returns the max_bytes of a stream that is created now.
func (w wantedStream) bytesAtCreation() int64 {
	if w.maxBytesAtCreation == nil {
		return w.MaxBytes
	}
	return unlimitedIfZero(w.maxBytesAtCreation())
}

// owns reports whether a stream is plainly ours: it takes subjects, and none that our prefix
// does not need. Any other may belong to another publisher, whatever its name, and so nothing of it is
// changed, though the bridge uses it if it captures what it has to.
func (w wantedStream) owns(have jetstream.StreamConfig) bool {
	return have.Mirror == nil && len(have.Subjects) > 0 && len(w.foreign(have)) == 0
}

// foreign are the subjects of a stream that our prefix does not need.
func (w wantedStream) foreign(have jetstream.StreamConfig) []string {
	return uncovered(w.Subjects, have.Subjects)
}

// meantForUs reports whether a stream has at least one subject that is ours alone, so that
// somebody gave it to the bridge.
func (w wantedStream) meantForUs(have jetstream.StreamConfig) bool {
	return have.Mirror == nil && len(w.foreign(have)) < len(have.Subjects)
}

// belongsToAnother reports whether a stream of our name is plainly not the bridge's: it takes nothing
// that we publish, and nothing that is ours alone.
func (w wantedStream) belongsToAnother(have jetstream.StreamConfig) bool {
	return !w.meantForUs(have) && len(uncovered(have.Subjects, w.subjects)) == len(w.subjects)
}

// extend returns have with everything raised to what we want, and whether
// that changed anything. It never lowers, narrows or takes away, and changes only what is
// plainly ours.
func (w wantedStream) extend(have jetstream.StreamConfig, server serverFacts) (jetstream.StreamConfig, bool) {
	if have.Sealed || !w.owns(have) {
		return have, false // nothing can be changed, or the stream is not for publishing
	}
	changed := false
	raise := func(limit *int64, want int64) {
		if weaker(*limit, want) {
			*limit, changed = want, true
		}
	}
	age, size := int64(have.MaxAge), int64(have.MaxMsgSize)
	raise(&age, int64(w.MaxAge))
	raise(&size, int64(w.MaxMsgSize))
	have.MaxAge, have.MaxMsgSize = time.Duration(age), int32(size)
	if w.maxBytesAtCreation == nil {
		raise(&have.MaxBytes, w.MaxBytes)
	}
	raise(&have.MaxMsgs, w.MaxMsgs)
	raise(&have.MaxMsgsPerSubject, w.MaxMsgsPerSubject)
	if have.MaxMsgsPerSubject <= 0 {
		have.DiscardNewPerSubject = false // JetStream takes it only with such a limit
	}
	if have.Duplicates < w.Duplicates {
		have.Duplicates, changed = w.Duplicates, true
	}
	if have.Replicas < w.Replicas {
		have.Replicas, changed = w.Replicas, true
	}
	if have.NoAck {
		have.NoAck, changed = false, true
	}
	if have.Retention == jetstream.InterestPolicy && (server.version == "" || client.AtLeast(server.version, 2, 10)) { // older ones refuse the whole change
		have.Retention, changed = jetstream.LimitsPolicy, true
	}
	if !have.AllowDirect {
		have.AllowDirect, changed = true, true
	}
	if w.AllowAtomicPublish && server.batches && !have.AllowAtomicPublish {
		have.AllowAtomicPublish, changed = true, true
	}
	if w.lacksFast(have, server) {
		have.AllowBatchPublish, changed = true, true
	}
	if missing := uncovered(have.Subjects, w.subjects); len(missing) > 0 {
		have.Subjects, changed = widen(have.Subjects, w.Subjects), true
	}
	return have, changed
}

// lacksFast reports whether a stream would take events faster if it allowed fast-ingest batches,
// which the bridge uses for a stream without replicas.
func (w wantedStream) lacksFast(have jetstream.StreamConfig, server serverFacts) bool {
	return w.AllowBatchPublish && server.fast && have.Replicas <= 1 && !have.AllowBatchPublish
}

// weaker reports whether the limit have is lower than want; 0 or less is none.
func weaker(have, want int64) bool {
	return have > 0 && (want <= 0 || have < want)
}

func unlimitedIfZero(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}
