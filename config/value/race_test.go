//go:build race

package value_test

// raceEnabled: what is one goroutine, and long, runs in part with the race detector.
const raceEnabled = true
