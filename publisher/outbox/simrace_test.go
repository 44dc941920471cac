//go:build race

package outbox

// underRace: the simulation is one goroutine, and many times slower with the race detector.
const underRace = true
