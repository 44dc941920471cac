package outbox

import (
	"strings"
	"testing"
)

// mutations take the mends away, one by one. The simulation must find each of them, and
// what it breaks.
var mutations = []struct {
	name  string
	shows string // in the words of the violation
	fault func(*faults)
	only  string // the kinds of actions that meet in it; "": any
}{
	{"yield_while_away", "is not there", func(f *faults) { f.yieldWhileAway = true }, ""},
	{"holes_are_removals", "is not there", func(f *faults) { f.holesAreRemovals = true }, "accept step run power-loss flush others"},
	{"keep_target", "", func(f *faults) { f.keepTarget = true }, ""},
	{"never_yield", "refused though nothing is pending", func(f *faults) { f.neverYield = true }, ""},
	{"heal_unmarked", "stored 2 times", func(f *faults) { f.healUnmarked = true }, "accept step others run fall-back kill crash-in start"},
	{"forget_releases", "its retention was over", func(f *faults) { f.forgetReleases = true }, ""},
	{"forget_repeated", "stored 2 times", func(f *faults) { f.forgetRepeated = true }, ""},
	{"overtake", "stored after it", func(f *faults) { f.overtake = true }, ""},
	{"wait_behind_damage", "standstill", func(f *faults) { f.waitBehindDamage = true }, ""},
	{"keep_highest", "all is well", func(f *faults) { f.keepHighest = true }, "accept run fall-back recreate others"},
	{"scan_all", "the stream is read from", func(f *faults) { f.scanAll = true }, ""},
	{"wait_for_subject", "standstill", func(f *faults) { f.waitForSubject = true }, "accept odd narrow run"},
	{"part_is_all", "is not there", func(f *faults) { f.partIsAll = true }, ""},
	{"assume_sequences", "", func(f *faults) { f.assumeSequences = true }, ""},
}

// mutationRuns bounds how many schedules a defect may stay unseen.
const mutationRuns = 1000

func TestSimulationFindsDefects(t *testing.T) {
	if underRace {
		t.Skip("one goroutine, and a minute of work: without the race detector only")
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var o simOptions
			m.fault(&o.faults)
			// What fails without the defect too does not show it.
			fails := func(s schedule) *violation {
				v := simulate(s, o)
				if v == nil || !strings.Contains(v.what, m.shows) || simulate(s, simOptions{atomic: o.atomic}) != nil {
					return nil
				}
				return v
			}
			for seed := range uint64(mutationRuns) {
				o.atomic = seed%2 == 1
				if v := fails(randomSchedule(seed, simLength, strings.Fields(m.only)...)); v != nil {
					v = shrink(v, fails)
					t.Logf("seed %d: %s\n%s", seed, v.what, v.schedule)
					return
				}
			}
			t.Errorf("%d schedules did not find it", mutationRuns)
		})
	}
}
