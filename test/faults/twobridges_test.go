package faults

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/test/bridge"
	"github.com/treble-bridge/treble-bridge/test/oracle"
)

// TestTwoBridgesOnOneJournal: a file system without locks, or a lock file removed by
// hand, lets a second bridge start on the directory of a running one. The second one
// takes it over; the first refuses from then on, and nothing that either has answered
// 200 is lost. The directory is shared by a link here, beside the lock.
func TestTwoBridgesOnOneJournal(t *testing.T) {
	t.Parallel()
	const rounds = 6
	nats := natstest.Start(t)
	o := oracle.New()
	var all []*oracle.Clients
	next := func(i int, shared string) *bridge.Process {
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
		p := bridge.ServeOn(t, dir, "TREBLE_BRIDGE_NATS_URL="+nats.URL)
		clients := oracle.StartClients(string(rune('a'+i)), o, 8, 300)
		t.Cleanup(clients.Close)
		clients.Pace = time.Millisecond
		clients.To(p.Addrs.Ingress)
		all = append(all, clients)
		return p
	}
	accepted := func(since int) {
		t.Helper()
		bridge.Await(t, 30*time.Second, "events are accepted", bridge.AtLeast(200, func() int { return o.AcceptedSince(since) }))
	}
	owner := next(0, "")
	shared := owner.DataDir
	accepted(0)
	for i := range rounds {
		before := owner
		owner = next(i+1, shared)
		tick := o.Now()
		bridge.Await(t, 30*time.Second, "the bridge that was overtaken refuses", bridge.AtLeast(100, func() int { return o.UnavailableSince(tick) }))
		accepted(o.Now())
		if r := before.Readiness(t.Context()); r.Status != "unready" {
			t.Errorf("round %d: /readyz of the bridge that was overtaken says %s, want unready", i, r)
		}
		all[i].Pause()
		before.Kill()
	}
	for _, clients := range all {
		clients.PauseAndWait(t)
	}
	owner.Published(t)
	stream := bridge.StreamSessions(t, nats.JS)
	oracle.Report(t, o.Check(stream))
	totals := o.Totals()
	t.Logf("%d takeovers; %s; %d events stored", rounds, totals, len(stream))
	totals.ExpectPlain(t, http.StatusServiceUnavailable)
	if m := owner.Metrics(t); m["treble_bridge_journal_damaged"] != 0 {
		t.Errorf("got %g damaged places in the journal, want 0", m["treble_bridge_journal_damaged"])
	}
}
