package streammodel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/outbox/streammodel"
)

// scripts are steps and what comes of them: "step => result". A step without a
// result has none.
var scripts = []struct{ name, config, steps string }{
	{"plain", "", `
		info => first 0 last 0 messages 0
		ids =>
		publish a => stored 1
		publish b => stored 2
		publish - => stored 3
		publish - => stored 4
		ids => 1:a 2:b 3: 4:
		id 2 => "b"
		id 3 => ""
		id 5 => none
		info => first 1 last 4 messages 4`},
	{"batches", "", `
		publish a b c => stored 1
		publish d => stored 4
		publish e f => stored 5
		ids => 1:a 2:b 3:c 4:d 5:e 6:f
		ids-from 3 5 => 3:c 4:d 5:e`},
	{"repetition", "", `
		publish a => stored 1
		publish a => stored 1 duplicate
		publish b a => refused
		publish c c => refused
		publish b c => stored 2
		publish c => stored 3 duplicate
		ids => 1:a 2:b 3:c`},
	{"repetition_after_the_window", "duplicates=200ms", `
		publish a b => stored 1
		wait 500ms
		publish a => stored 3
		publish b c => stored 4
		ids => 1:a 2:b 3:a 4:b 5:c`},
	{"repetition_of_what_was_deleted", "", `
		publish a b c => stored 1
		delete 2 => true
		delete 2 => false
		publish b => stored 2 duplicate
		id 2 => none
		ids => 1:a 3:c
		info => first 1 last 3 messages 2
		restart
		publish b => stored 4
		ids => 1:a 3:c 4:b`},
	{"repetition_of_what_was_purged", "", `
		publish a b => stored 1
		purge
		info => first 3 last 2 messages 0
		ids =>
		publish b => stored 2 duplicate
		publish c => stored 3
		info => first 3 last 3 messages 1
		restart
		publish b => stored 4`},
	{"purge_of_a_part", "", `
		publish a b c d => stored 1
		purge 2
		ids => 3:c 4:d
		ids-from 1 3 => 3:c
		info => first 3 last 4 messages 2
		delete 4 => true
		info => first 3 last 4 messages 1
		ids-from 4 4 =>
		publish e => stored 5`},
	{"everything_deleted", "", `
		publish a b => stored 1
		delete 1 => true
		info => first 2 last 2 messages 1
		delete 2 => true
		info => first 3 last 2 messages 0
		restart
		info => first 3 last 2 messages 0 other-leader
		publish c => stored 3`},
	{"restart", "", `
		info => first 0 last 0 messages 0
		publish a b => stored 1
		restart
		info => first 1 last 2 messages 2 other-leader
		publish b => stored 2 duplicate
		publish b c => refused
		publish c d => stored 3
		ids => 1:a 2:b 3:c 4:d`},
	{"made_anew", "", `
		info => first 0 last 0 messages 0
		publish a b => stored 1
		recreate
		info => first 0 last 0 messages 0 created-anew
		publish b => stored 1
		ids => 1:b`},
	{"gone", "", `
		publish a => stored 1
		drop
		info => no stream
		publish b => refused-subject
		publish b c => refused
		id 1 => no stream`},
	{"an_older_copy", "", `
		publish a b => stored 1
		backup
		publish c d => stored 3
		restore
		info => first 1 last 2 messages 2
		publish b => stored 2 duplicate
		publish d c => stored 3
		ids => 1:a 2:b 3:d 4:c`},
	{"uncaptured", "subjects=t.x,t.y", `
		publish z/a => refused-subject
		publish y/a => stored 1
		publish z/b x/c => refused
		publish x/b z/c => refused
		publish x/b z/c y/d => refused
		ids => 1:a
		config subjects=t.>
		publish x/b z/c y/d => stored 2`},
	{"too_large", "max-size=1000", `
		publish 2000:a => refused-size
		publish 2000:a b => refused
		publish b 2000:a => refused
		publish 500:a b => stored 1
		config max-size=0
		publish 2000:c d => stored 3`},
	{"larger_than_the_server_takes", "", `
		publish 1048577:a => refused-size
		publish b 1048577:a => refused
		publish 1048577:a b => refused
		publish b a => stored 1`},
	{"full", "max=3", `
		publish a b => stored 1
		publish c d => refused
		publish c => stored 3
		publish d => refused
		publish a => stored 1 duplicate
		delete 1 => true
		publish d => stored 4
		ids => 2:b 3:c 4:d`},
	{"drops_its_oldest", "max=3 old=yes", `
		publish a b => stored 1
		publish c d => stored 3
		ids => 2:b 3:c 4:d
		info => first 2 last 4 messages 3 discards
		publish a => stored 1 duplicate`},
	{"per_subject", "per-subject=1 old=yes", `
		publish x/a y/b => stored 1
		publish x/c => stored 3
		ids => 2:b 3:c
		info => first 2 last 3 messages 2 discards per-subject
		publish y/d y/e => stored 4
		ids => 3:c 5:e`},
	{"age", "max-age=300ms duplicates=100ms", `
		publish a b => stored 1
		wait 1s
		info => first 3 last 2 messages 0 ages
		ids =>
		publish c => stored 3`},
	{"sealed", "", `
		publish a => stored 1
		config sealed=yes
		publish b => refused-for-good
		publish b c => refused
		publish a => refused-for-good
		ids => 1:a`},
	{"no_batches", "batches=no", `
		info => first 0 last 0 messages 0 no-batches
		publish a b => refused
		publish a => stored 1
		config batches=yes
		info => first 1 last 1 messages 1
		publish b c => stored 2`},
	{"fast_batches", "", `
		fast a b c => stored 3 to 3
		publish d => stored 4
		fast e f => stored 2 to 6
		ids => 1:a 2:b 3:c 4:d 5:e 6:f
		fast g*1500 => stored 1500 to 1506`},
	{"fast_repetition", "", `
		publish a => stored 1
		fast b a => stored 2 to 2
		fast b a => stored 2 to 0
		fast b c => stored 2 to 3
		fast c b d => stored 3 to 4
		fast e e f => stored 3 to 6
		fast g a b c => stored 4 to 7
		ids => 1:a 2:b 3:c 4:d 5:e 6:f 7:g
		restart
		fast h a i => stored 3 to 9`},
	{"fast_full", "max=3", `
		fast a b => stored 2 to 2
		fast c d e => partly 1 to 3
		fast f g => refused
		fast a g => partly 1 to 0
		publish f => refused
		delete 1 => true
		fast f b c g => partly 3 to 4
		ids => 2:b 3:c 4:f
		delete 2 => true
		fast g h => partly 1 to 5`},
	{"fast_too_large", "max-size=1000", `
		fast a 2000:b c => partly 1 to 1
		fast 2000:b c => refused
		fast c d 2000:b => unknown
		publish 2000:b => refused-size
		ids => 1:a 2:c 3:d
		fast e f => stored 2 to 5`},
	{"fast_larger_than_the_server_takes", "", `
		fast a 1048577:b c => refused
		fast a b => stored 2 to 2`},
	{"fast_uncaptured", "subjects=t.x,t.y", `
		fast x/a z/b y/c => partly 1 to 1
		fast z/b y/c => refused
		fast x/d y/e z/b => unknown
		ids => 1:a 2:d 3:e
		fast x/f y/c => stored 2 to 5`},
	{"fast_sealed", "", `
		publish a => stored 1
		config sealed=yes
		fast b c => refused
		ids => 1:a`},
	{"fast_gone", "", `
		fast a b => stored 2 to 2
		drop
		fast c d => refused`},
	{"fast_drops_its_oldest", "max=3 old=yes", `
		fast a b => stored 2 to 2
		fast c d e => stored 3 to 5
		ids => 3:c 4:d 5:e`},
	{"fast_per_subject", "per-subject=1 old=yes", `
		fast x/a x/b y/c => stored 3 to 3
		ids => 2:b 3:c`},
	{"no_fast_batches", "fast=no", `
		info => first 0 last 0 messages 0 no-fast
		fast a b => refused
		publish a b => stored 1
		config fast=yes batches=no
		info => first 1 last 2 messages 2 no-batches
		fast c d => stored 2 to 4
		publish e f => refused`},
	{"largest_batch", "", `
		publish a*1000 => stored 1
		publish b*1001 => refused
		publish c => stored 1001`},
}

// run runs a script against a backend and complains of each step that comes out
// otherwise.
func run(t *testing.T, b backend, o *observer, steps string) {
	t.Helper()
	o.b = b
	unknown := false // the step before had no outcome
	for line := range strings.Lines(steps) {
		step, want, _ := strings.Cut(strings.TrimSpace(line), "=>")
		if step = strings.TrimSpace(step); step == "" {
			continue
		}
		want = strings.TrimSpace(want)
		got := o.do(step)
		// What a batch without an outcome left behind, a real server may still be storing.
		for deadline := time.Now().Add(5 * time.Second); unknown && step == "ids" && got != want && time.Now().Before(deadline); {
			got = o.do(step)
		}
		unknown = got == "unknown"
		if got != want {
			t.Errorf("%s\n got: %s\nwant: %s", step, got, want)
		}
	}
}

// TestConformance holds the model and a real server to the same scripts.
func TestConformance(t *testing.T) {
	for name, start := range map[string]func(*testing.T, streammodel.Config) backend{
		"model":  func(_ *testing.T, c streammodel.Config) backend { return newModel(c) },
		"server": func(t *testing.T, c streammodel.Config) backend { return newReal(t, c) },
	} {
		for _, s := range scripts {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				o := &observer{t: t, config: defaults()}
				o.set(strings.Fields(s.config))
				run(t, start(t, o.config), o, s.steps)
			})
		}
	}
}
