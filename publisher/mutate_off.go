//go:build !mutate

package publisher

// See mutate.go.
const (
	mutateNoAppend  = false
	mutateMarkEarly = false
)
