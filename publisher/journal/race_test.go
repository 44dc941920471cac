//go:build race

package journal_test

// The race detector makes the systematic tests ten times slower.
const raceEnabled = true
