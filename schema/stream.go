package schema

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
