package outbox

import "testing"

// regressions are schedules that the simulation found, shrunk, and what they broke.
var regressions = []struct{ name, schedule string }{
	{"fell_back_below_a_message_that_was_sent", "accept 2; run 1m0s; full; accept 2; fall-back 1; run 3m0s"},
	{"fell_back_before_the_first_event", "crash-in 13; run 1s; fall-back 1; accept 1; run 8m0s"},
	{"fell_back_and_crashed_while_healing", "accept 2; run 3m0s; accept 3; fall-back 1; crash-in 14; run 3m0s"},
	{"batch_cut_by_a_kill", "cut-batch 1; run 1s; accept 2; run 3m0s"},
	{"mark_that_must_be_flushed_on_a_full_disk", "accept 2; disk-full; run 8m0s; kill"},
	{"mark_on_a_full_disk_and_a_host_asleep", "accept 2; disk-full; run 1s; wait 36h0m0s; crash 161"},
	{"repetition_waits_in_a_full_stream", "step 6; accept 3; step 1; accept 1; repeat 2; full; run 8m0s"},
	{"repetition_waits_on_a_host_asleep", "accept 1; accept 3; repeat 1; step 6; wait 20m0s"},
	{"repetition_waits_longer_than_the_retention", "accept 3; step 3; full; accept 2; repeat 5; run 3m0s; broken; wait 1m0s; run 10s"},
	{"loss_while_the_host_is_asleep", "big; step 6; drop; wait 20m0s"},
	{"loss_after_the_clock_was_set_back", "run 1m0s; run 3m0s; accept 1; jump -3h0m0s; run 1m0s; fall-back 4"},
	{"account_after_a_full_disk", "broken; accept 2; accept 2; run 1m0s; stop; fall-back 2; disk-full; start; run 1s; accept 1; stop"},
	{"account_of_segments_that_are_gone", "accept 2; step 2; odd 2; wait 1m0s; accept 1; disk-full; step 2; wait 36h0m0s; step 4; prefix 2"},
	{"account_after_damage", "cut-ack; accept 3; run 8m0s; eio 24; link-up; accept 2; run 3m0s; small"},
	{"damage_to_the_marks", "accept 2; wait 36h0m0s; step 6; stop; eio 25; run 8m0s"},
	{"damage_to_the_mark_of_a_healing", "accept 3; step 6; stop; fall-back 9; start; eio 1; step 2; kill; run 8m0s"},
	{"damage_and_then_a_kill", "kill; eio 24; start; accept 2; step 2; kill; run 3m0s"},
	{"room_is_made_before_the_cut_is_noticed", "flood 4; run 1m0s; disk-full; server-stop; accept 1; recreate"},
	{"backup_with_what_was_sent_twice", "accept 3; step 5; crash 527; run 3m0s; backup; purge 2; start; step 4; restore"},
	{"backup_of_before_a_healing_restored_again", "step 2; accept 2; accept 1; step 1; backup; restore; purge 2; run 3m0s; restore"},
	{"repetition_sent_twice_without_an_answer", "flood 4; cut-ack; oldest-go; run 3m0s; repeat 3; link-up; cut-ack; run 8m0s"},
	{"damage_to_an_entry_that_arrives_late", "late 1ms; big; step 6; small; eio 6; accept 2"},
	{"deletion_does_not_prolong_the_retention", "accept 3; run 3m0s; delete 3; run 3m0s; fall-back 1"},
	{"repetition_at_the_place_of_what_was_lost", "accept 3; step 2; delete 3; fall-back 3; accept 2; repeat 4; step 2; wait 20m0s"},
	{"damage_to_the_mark_of_another_stream", "step 1; accept 1; stream; eio 31; step 3; kill; run 8m0s"},
	{"healing_takes_longer_than_the_retention", "accept 1; run 1m0s; fall-back 9; full; run 8m0s"},
	{"part_of_an_unanswered_batch_outlives_a_power_loss", "accept 2; accept 1; accept 2; accept 2; cut-ack; accept 2; big; accept 2; step 2; cut-ack; power-loss 304; link-up; repeat 2; run 3m0s; link-up; step 5; lost-request; step 6"},
	{"damage_is_told_when_its_segment_is_gone", "big; jump 1m0s; run 8m0s; accept 3; accept 3; accept 1; eio 34; big; step 4; no-leader; accept 1; accept 1; accept 1; run 3m0s; power-loss 400; big; jump 3h0m0s; run 8m0s; kill"},
	{"settled_before_a_sleep_is_noticed", "accept 3; step 5; jump 3h0m0s; fall-back 2; accept 1; run 8m0s; accept 3; step 5; stop; drop"},
	{"deleted_while_a_healing_is_not_answered", "accept 3; accept 3; run 3m0s; repeat 6; accept 1; forget 6; accept 3; run 3m0s; cut-ack; fall-back 8; step 3; delete 5"},
	{"damage_to_the_mark_of_damage", "crash-in 13; accept 3; accept 2; start; run 3m0s; accept 1; crash-in 19; run 3m0s; start; accept 3; recreate; accept 3; eio 10; accept 2; accept 3; accept 1; accept 3; accept 2; run 1s; accept 3; run 3m0s; crash-in 25; accept 3; run 1m0s"},
	{"fell_back_before_a_batch_that_is_looked_for", "run 1m0s; accept 2; fall-back 1; step 4; recreate"},
	{"given_up_in_the_step_that_releases_it", "run 3m0s; odd 1; accept 1; run 3m0s; run 3m0s; accept 3; run 3m0s; accept 3; run 1m0s; accept 3; run 10s; disk-full; run 10s; power-loss 143"},
	{"damage_to_the_first_page", "accept 2; crash 886; eio 15; start; crash 348"},
}

func TestSimulationRegressions(t *testing.T) {
	for _, r := range regressions {
		t.Run(r.name, func(t *testing.T) {
			for _, atomic := range []bool{false, true} {
				if v := simulate(parseSchedule(r.schedule), simOptions{atomic: atomic}); v != nil {
					t.Error(v)
				}
			}
		})
	}
}
