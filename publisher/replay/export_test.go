package replay

import "github.com/treble-bridge/treble-bridge/publisher/audit"

// Detail is the part of a replay's audit record that other commands do not have.
type Detail = detail

// MaxInFlight bounds the messages that wait for their PubAck.
const MaxInFlight = maxInFlight

// The causes that end a run before its end.
var (
	ErrGaveUp = errGaveUp
	ErrTaken  = errTaken
)

// DecodeDetail reads it from a record.
func DecodeDetail(r audit.Record) (Detail, error) { return decodeDetail(r) }

// MessageID is the message id of a copy.
func MessageID(run string, seq uint64) string { return messageID(run, seq) }

// SetProgress sets Options.Progress of a run that has a name already.
func (r *Run) SetProgress(f func(done int64)) { r.opts.Progress = f }
