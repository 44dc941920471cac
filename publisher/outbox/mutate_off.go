//go:build !mutate

package outbox

// See mutate.go.
const (
	mutateNoAppend  = false
	mutateMarkEarly = false
)
