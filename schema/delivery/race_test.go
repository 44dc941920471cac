//go:build race

package delivery_test

// The race detector drops some of what a sync.Pool has, and what is one goroutine, and long,
// runs in part with it.
const raceEnabled = true
