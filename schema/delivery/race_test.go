//go:build race

package delivery_test

// The race detector drops some of what a sync.Pool has.
const raceEnabled = true
