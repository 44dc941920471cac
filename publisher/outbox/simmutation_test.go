package outbox

import (
	"strings"
	"testing"
)

// mutations take the mends away, one by one. The simulation must find each of them, and
// what it breaks.
var mutations = []struct {
	name     string
	shows    string // in the words of the violation
	defect   defect
	only     string // the kinds of actions that meet in it; "": any
	schedule string // that shows it, as TestSimulationFindsDefects logs it
}{
	{"yield_while_away", "is not there", yieldWhileAway, "",
		"flood 4; run 10s; drop; small"},
	{"holes_are_removals", "is not there", holesAreRemovals, "accept step run power-loss flush others",
		"accept 3; accept 1; accept 3; accept 2; accept 3; accept 2; accept 3; step 5; power-loss 857"},
	{"keep_target", "", keepTarget, "",
		"accept 3; run 1m0s; stream"},
	{"never_yield", "refused though nothing is pending", neverYield, "",
		"flood 4; small; step 6; accept 3"},
	{"heal_unmarked", "stored 2 times", healUnmarked, "accept step others run fall-back kill crash-in start",
		"accept 3; run 1m0s; accept 2; fall-back 9; step 5; kill; run 3m0s; start; step 1; step 1; accept 2; kill"},
	{"forget_releases", "its retention was over", forgetReleases, "",
		"accept 3; run 8m0s; fall-back 5; small"},
	{"forget_repeated", "stored 2 times", forgetRepeated, "",
		"accept 3; accept 3; run 10s; no-leader; repeat 6; run 3m0s"},
	{"overtake", "stored after it", overtake, "",
		"accept 2; direct"},
	{"wait_behind_damage", "standstill", waitBehindDamage, "",
		"eio 15; accept 2"},
	{"keep_highest", "all is well", keepHighest, "accept run fall-back recreate others",
		"run 3m0s; fall-back 5"},
	{"scan_all", "the stream is read from", scanAll, "",
		"cut-inside 2; accept 1; run 8m0s"},
	{"wait_for_subject", "standstill", waitForSubject, "accept odd narrow run",
		"narrow; odd 1; run 8m0s"},
	{"part_is_all", "is not there", partIsAll, "",
		"full; stream; accept 2; step 4; cut-ack; accept 3; accept 3; run 1m0s; link-up; flood 3; step 5; stream"},
	{"assume_sequences", "", assumeSequences, "",
		"flood 4; oldest-go; step 5; elect"},
}

// TestMends: with each mend its schedule breaks nothing, and without it what it shows.
func TestMends(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			shown := false
			for _, atomic := range []bool{false, true} {
				if v := simulate(parseSchedule(m.schedule), simOptions{atomic: atomic}); v != nil {
					t.Errorf("with the mend: %v", v)
				}
				v := simulate(parseSchedule(m.schedule), simOptions{atomic: atomic, defect: m.defect})
				shown = shown || v != nil && strings.Contains(v.what, m.shows)
			}
			if !shown {
				t.Error("the schedule shows nothing any more: take the one that TestSimulationFindsDefects logs")
			}
		})
	}
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
