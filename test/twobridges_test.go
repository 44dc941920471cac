package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestTwoBridgesOnOneJournal: a file system without locks, or a lock file removed by
// hand, lets a second bridge start on the directory of a running one. The second one
// takes it over; the first refuses from then on, and nothing that either has answered
// 200 is lost. The directory is shared by a link here, beside the lock.
func TestTwoBridgesOnOneJournal(t *testing.T) {
	const rounds = 6
	nats := natstest.Start(t)
	o := newOracle()
	var all []*posters
	next := func(i int, shared string) *process {
		dir := t.TempDir()
		if shared == "" {
			shared = dir
		} else {
			for _, name := range []string{"journal", "refused"} {
				if err := os.Symlink(filepath.Join(shared, name), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
		p := launch(t, binary(t), dir, "TREBLE_BRIDGE_NATS_URL=nats://"+nats.Addr().String())
		p.ready()
		ps := startPostersAs(string(rune('a'+i)), o, 8, 300)
		t.Cleanup(ps.close)
		ps.pace = time.Millisecond
		ps.to(p.addrs.Ingress)
		all = append(all, ps)
		return p
	}
	accepted := func(since int) {
		t.Helper()
		waitUntil(t, "events are accepted", func() error {
			if n := o.acceptedSince(since); n < 200 {
				return fmt.Errorf("only %d", n)
			}
			return nil
		})
	}
	owner := next(0, "")
	shared := owner.dataDir
	accepted(0)
	for i := range rounds {
		before := owner
		owner = next(i+1, shared)
		tick := o.now()
		waitUntil(t, "the bridge that was overtaken refuses", func() error {
			if n := o.unavailableSince(tick); n < 100 {
				return fmt.Errorf("only %d", n)
			}
			return nil
		})
		accepted(o.now())
		if r := before.readiness(t.Context()); r.Status != "unready" {
			t.Errorf("round %d: /readyz of the bridge that was overtaken says %s, want unready", i, r)
		}
		all[i].pause()
		before.kill()
	}
	for _, ps := range all {
		ps.pause()
		waitUntil(t, "the posters are quiet", func() error { return ps.quiet(t.Context()) })
	}
	owner.published(t)
	stream := streamSessions(t, nats.JS)
	reportBreaches(t, o.check(stream))
	totals := o.totals()
	t.Logf("%d takeovers; %s; %d events stored", rounds, totals, len(stream))
	if odd := totals.odd(append(plain, http.StatusServiceUnavailable)...); len(odd) > 0 {
		t.Errorf("got answers %v, want only %v and 503", odd, plain)
	}
	if m := owner.metrics(t); m["treble_bridge_journal_damaged"] != 0 {
		t.Errorf("got %g damaged places in the journal, want 0", m["treble_bridge_journal_damaged"])
	}
}
