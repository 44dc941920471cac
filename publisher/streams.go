package publisher

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/datadir"
	"github.com/treble-bridge/treble-bridge/schema"
)

// minDuplicateWindow is the least that JetStream takes.
const minDuplicateWindow = 100 * time.Millisecond

// wantedStream is a stream as our configuration has it.
type wantedStream struct {
	jetstream.StreamConfig
	subjects []string // which must be captured, without wildcards where all are known
	required bool     // without it nothing can be accepted
	byHand   bool     // the bridge does not make it: publisher.streams is check
	toFile   string   // the command that writes to a file what is in it
	prefix   schema.Prefix
	config   Config
	bytesKey string // the key that bounds it

	// maxBytesAtCreation, if set, gives max_bytes for a stream that is made
	// now. An existing one is then not compared.
	maxBytesAtCreation func() int64
}

// wantedStreams are the streams of a bridge as its configuration has them, the
// one of the events first. With the embedded server the disk is ours alone: a
// limit makes a full stream a clear 503 instead of a full disk. It is chosen when
// the stream is made and not looked at again, since half of what is free shrinks
// each day.
func wantedStreams(c Config, embedded bool, dataDir string) []wantedStream {
	events := eventStream(c)
	if embedded && c.MaxBytes == 0 {
		events.maxBytesAtCreation = func() int64 { return datadir.Free(dataDir) / 2 }
	}
	return []wantedStream{events, quarantineStream(c)}
}

// eventStream is the stream of the events.
func eventStream(c Config) wantedStream {
	prefix := schema.Prefix(c.SubjectPrefix)
	discard := jetstream.DiscardNew
	if c.Discard == DiscardOld {
		discard = jetstream.DiscardOld
	}
	w := wantedStream{
		required: true,
		prefix:   prefix,
		config:   c,
		bytesKey: "publisher.max_bytes",
		byHand:   c.Streams == StreamsCheck,
		toFile:   fmt.Sprintf("treble-bridge replay --to-file ./%s.ndjson", c.Stream),
		StreamConfig: jetstream.StreamConfig{
			Name:        c.Stream,
			Description: "Events of Treble, published by treble-bridge",
			Subjects:    []string{prefix.All()},
			Retention:   jetstream.LimitsPolicy,
			Storage:     jetstream.FileStorage,
			Discard:     discard,
			MaxAge:      c.MaxAge,
			MaxBytes:    unlimitedIfZero(int64(c.MaxBytes)),
			MaxMsgs:     -1,
			MaxMsgSize:  -1,
			Replicas:    c.Replicas,
			Duplicates:  c.DuplicateWindow,
			AllowDirect: true,

			AllowAtomicPublish: c.Batches,
		},
	}
	for _, k := range schema.Kinds() {
		w.subjects = append(w.subjects, prefix.Subject(k))
	}
	return w
}

// quarantineStream is the stream of the refused bodies. It is evidence for the operator, not the
// record of what happened, so the oldest goes first.
func quarantineStream(c Config) wantedStream {
	prefix := schema.Prefix(c.SubjectPrefix)
	w := wantedStream{
		prefix:   prefix,
		config:   c,
		bytesKey: "publisher.quarantine_max_bytes",
		byHand:   c.Streams == StreamsCheck,
		toFile:   fmt.Sprintf("treble-bridge quarantine export --to ./%s.ndjson", c.quarantineStream()),
		StreamConfig: jetstream.StreamConfig{
			Name:        c.quarantineStream(),
			Description: "Bodies that treble-bridge refused",
			Subjects:    []string{prefix.AllQuarantine()},
			Retention:   jetstream.LimitsPolicy,
			Storage:     jetstream.FileStorage,
			Discard:     jetstream.DiscardOld,
			MaxAge:      c.QuarantineMaxAge,
			MaxBytes:    unlimitedIfZero(int64(c.QuarantineMaxBytes)),
			MaxMsgs:     -1,
			MaxMsgSize:  -1,
			Replicas:    c.Replicas,
			Duplicates:  within(c.DuplicateWindow, c.QuarantineMaxAge),
			AllowDirect: true,

			AllowAtomicPublish: c.Batches,
		},
	}
	for _, r := range schema.Reasons() {
		w.subjects = append(w.subjects, prefix.Quarantine(r))
	}
	return w
}

// create returns the configuration for making the stream now.
func (w wantedStream) create() jetstream.StreamConfig {
	cfg := w.StreamConfig
	if w.maxBytesAtCreation != nil {
		cfg.MaxBytes = unlimitedIfZero(w.maxBytesAtCreation())
	}
	return cfg
}

// owns reports whether a stream is plainly ours: it takes subjects, and none that our prefix
// does not need. Any other may be somebody else's, whatever its name, and so nothing of it is
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

// anothers reports whether a stream of our name is plainly that of somebody else: it takes nothing
// that we publish, and nothing that is ours alone.
func (w wantedStream) anothers(have jetstream.StreamConfig) bool {
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
	if have.Retention == jetstream.InterestPolicy && (server.version == "" || atLeast(server.version, 2, 10)) { // older ones refuse the whole change
		have.Retention, changed = jetstream.LimitsPolicy, true
	}
	if !have.AllowDirect {
		have.AllowDirect, changed = true, true
	}
	if w.AllowAtomicPublish && server.batches && !have.AllowAtomicPublish {
		have.AllowAtomicPublish, changed = true, true
	}
	if missing := uncovered(have.Subjects, w.subjects); len(missing) > 0 {
		have.Subjects, changed = widen(have.Subjects, w.Subjects), true
	}
	return have, changed
}

// weaker says whether the limit have is lower than want; 0 or less is none.
func weaker(have, want int64) bool {
	return have > 0 && (want <= 0 || have < want)
}

func unlimitedIfZero(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}
