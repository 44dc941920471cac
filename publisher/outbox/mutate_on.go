//go:build mutate

package outbox

import "os"

// See mutate.go. They are read once, as a constant would be.
var (
	mutateNoAppend  = os.Getenv("TREBLE_BRIDGE_MUTATE") == "no-append"
	mutateMarkEarly = os.Getenv("TREBLE_BRIDGE_MUTATE") == "mark-early"
)
