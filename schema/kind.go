package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind says what happened. It is the last part of the NATS subject, and of
// the CloudEvents type.
type Kind string

// The kinds that Treble sends, and three of our own: the two that keep what
// nobody recognised, and the probe of the doctor command.
const (
	KindMessageRead         Kind = "message.read"
	KindMessageDelivered    Kind = "message.delivered"
	KindMessageResponded    Kind = "message.responded"
	KindMessageTimedOut     Kind = "message.timed_out"
	KindContactOptedOut     Kind = "contact.opted_out"
	KindConditionEvaluated  Kind = "condition.evaluated"
	KindConversationClosed  Kind = "conversation.closed"
	KindHSMStatusChanged    Kind = "hsm.status_changed"
	KindDeploymentFailed    Kind = "deployment.failed"
	KindFlowUnrecognized    Kind = "flow.unrecognized" // from a flow; what happened is not known
	KindUnrecognized        Kind = "unrecognized"      // a JSON object that fits nothing known
	KindBridgeProbe         Kind = "bridge.probe"      // consumers ignore it
	typePrefix                   = "ai.treble."
	dataSchemaPrefix             = "urn:treble-bridge:"
	dataSchemaVersionSuffix      = ":1"
)

var kinds = []Kind{
	KindMessageRead, KindMessageDelivered, KindMessageResponded, KindMessageTimedOut,
	KindContactOptedOut, KindConditionEvaluated, KindConversationClosed,
	KindHSMStatusChanged, KindDeploymentFailed,
	KindFlowUnrecognized, KindUnrecognized, KindBridgeProbe,
}

// Kinds returns every kind, in the order of the documentation.
func Kinds() []Kind { return slices.Clone(kinds) }

// ParseKind returns the kind named s. The error lists the kinds there are.
func ParseKind(s string) (Kind, error) {
	if k := Kind(s); slices.Contains(kinds, k) {
		return k, nil
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return "", fmt.Errorf("unknown kind %q: use one of %s", s, strings.Join(names, ", "))
}

// Type returns the CloudEvents type of the kind.
func (k Kind) Type() string { return typePrefix + string(k) }

// DataSchema returns the CloudEvents dataschema of the kind: a name with a
// version, not an address.
func (k Kind) DataSchema() string {
	return dataSchemaPrefix + string(k) + dataSchemaVersionSuffix
}

// otherVersion reports whether a dataschema is of ours and not of version 1. An
// envelope without one, or with somebody else's, is read as version 1.
func otherVersion(dataSchema string) bool {
	rest, ours := strings.CutPrefix(dataSchema, dataSchemaPrefix)
	i := strings.LastIndexByte(rest, ':')
	return ours && i >= 0 && rest[i:] != dataSchemaVersionSuffix
}

// Prefix is the first part of every subject of a bridge, "treble" by default.
// Its rules are those of [ParsePrefix].
type Prefix string

// DefaultPrefix is the prefix of a bridge that is not configured otherwise.
const DefaultPrefix Prefix = "treble"

var prefixRE = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// ParsePrefix checks that s is one or more tokens of [a-z0-9_-], joined by dots.
func ParsePrefix(s string) (Prefix, error) {
	if !prefixRE.MatchString(s) {
		return "", fmt.Errorf("subject prefix %q: use tokens of a-z, 0-9, _ and -, joined by dots, such as %q", s, DefaultPrefix)
	}
	return Prefix(s), nil
}

// Subject returns the subject on which events of a kind are published, such
// as treble.message.read.
func (p Prefix) Subject(k Kind) string { return string(p) + "." + string(k) }

// All returns the subject filter that covers the events of every kind.
func (p Prefix) All() string { return string(p) + ".>" }

// Quarantine returns the subject on which bodies refused for a reason are kept.
func (p Prefix) Quarantine(r Reason) string { return string(p) + "-quarantine." + string(r) }

// AllQuarantine returns the subject filter that covers every refused body.
func (p Prefix) AllQuarantine() string { return string(p) + "-quarantine.>" }

// Replay returns the subject on which a run of "treble-bridge replay" stores
// events of a kind.
func (p Prefix) Replay(run string, k Kind) string {
	return string(p) + "-replay." + run + "." + string(k)
}

// AllReplay returns the subject filter that covers every replayed event.
func (p Prefix) AllReplay() string { return string(p) + "-replay.>" }

// StreamName is the name of the stream that holds the events of a bridge, "TREBLE" by
// default. The names of the other streams of the bridge derive from it, so that two
// bridges can share an account.
type StreamName string

// Quarantine returns the name of the stream that keeps refused bodies.
func (n StreamName) Quarantine() string { return string(n) + "_QUARANTINE" }

// Replay returns the name of the stream into which events are replayed unless another is
// named.
func (n StreamName) Replay() string { return string(n) + "_REPLAY" }

// Audit returns the name of the key-value bucket with a record of each run of a command
// that moved or removed messages.
func (n StreamName) Audit() string { return string(n) + "_AUDIT" }
