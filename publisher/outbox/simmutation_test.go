package outbox

import (
	"strings"
	"testing"
)

// mutations take the mends away, one by one. The simulation must find each of them, and
// what it breaks.
var mutations = []struct {
	name   string
	shows  string // in the words of the violation
	defect defect
	only   string // the kinds of actions that meet in it; "": any
}{
	{"yield_while_away", "is not there", yieldWhileAway, ""},
	{"holes_are_removals", "is not there", holesAreRemovals, "accept step run power-loss flush others"},
	{"keep_target", "", keepTarget, ""},
	{"never_yield", "refused though nothing is pending", neverYield, ""},
	{"heal_unmarked", "stored 2 times", healUnmarked, "accept step others run fall-back kill crash-in start"},
	{"forget_releases", "its retention was over", forgetReleases, ""},
	{"forget_repeated", "stored 2 times", forgetRepeated, ""},
	{"overtake", "stored after it", overtake, ""},
	{"wait_behind_damage", "standstill", waitBehindDamage, ""},
	{"keep_highest", "all is well", keepHighest, "accept run fall-back recreate others"},
	{"scan_all", "the stream is read from", scanAll, ""},
	{"wait_for_subject", "standstill", waitForSubject, "accept odd narrow run"},
	{"part_is_all", "is not there", partIsAll, ""},
	{"assume_sequences", "", assumeSequences, ""},
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
			o := simOptions{defect: m.defect}
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
