package outbox

import (
	"strings"
	"testing"
	"time"
)

// simBudget bounds all simulation tests together. What the others take is known to be
// less than half of it.
const simBudget = time.Minute

// simulateFor runs the random schedules of seeds from a first one on.
func simulateFor(t *testing.T, d time.Duration, first uint64) {
	t.Helper()
	seed := first
	for end := time.Now().Add(d); time.Now().Before(end); seed++ {
		if v := simulateSeed(seed, simOptions{}); v != nil {
			t.Fatal(v)
		}
	}
	t.Logf("%d schedules, from seed %d", seed-first, first)
}

// TestSimulation runs random schedules for a while.
func TestSimulation(t *testing.T) {
	d := simBudget / 3
	if testing.Short() || underRace {
		d = 2 * time.Second
	}
	simulateFor(t, d, 0)
}

// TestSimulationRepeats: a seed repeats a run exactly.
func TestSimulationRepeats(t *testing.T) {
	for seed := range uint64(20) {
		var traces [2]string
		for i := range traces {
			traces[i] = play(randomSchedule(seed, simLength), simOptions{}).trace.String()
		}
		if traces[0] != traces[1] {
			t.Fatalf("seed %d: two runs differ:\n%s\n\n%s", seed, traces[0], traces[1])
		}
	}
}

// everySchedule are small sets of things that happen; each is tried in every order.
var everySchedule = []struct {
	name    string
	length  int
	letters []string
}{
	{"crashes", 4, []string{"accept", "array", "step", "lost-ack", "late 1s", "kill; start", "crash 1; start", "run 2s"}},
	{"losses", 4, []string{"accept", "step", "run 2s", "power-loss 5", "fall-back 1", "fall-back 12", "recreate", "kill; start"}},
	{"repetitions", 4, []string{"accept", "repeat 1", "step", "lost-request", "link-down", "link-up", "wait 3m0s", "run 2s"}},
	{"removals", 4, []string{"accept", "run 40s", "purge", "delete 1", "forget 1", "server-stop; server-start", "kill; start", "oldest-go"}},
	{"refusals", 4, []string{"accept", "odd", "big", "narrow", "wide", "full", "step", "run 2m0s"}},
	{"disk", 4, []string{"accept", "step", "run 2s", "disk-full", "disk-room", "eio 1", "kill; start", "crash-in 7"}},
}

// TestEverySchedule tries all schedules of a small scope.
func TestEverySchedule(t *testing.T) {
	for _, c := range everySchedule {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			length := c.length
			if testing.Short() || underRace {
				length--
			}
			word := make([]int, length)
			for n := 1; ; n++ {
				var parts []string
				for _, i := range word {
					parts = append(parts, c.letters[i])
				}
				for _, atomic := range []bool{false, true} {
					if v := simulate(parseSchedule(strings.Join(parts, "; ")), simOptions{brief: true, atomic: atomic}); v != nil {
						t.Fatal(v)
					}
				}
				i := 0
				for ; i < length; i++ { // the next word
					if word[i]++; word[i] < len(c.letters) {
						break
					}
					word[i] = 0
				}
				if i == length {
					t.Logf("%d schedules", n)
					return
				}
			}
		})
	}
}
