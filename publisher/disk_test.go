package publisher_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestUnreadableSector: what lies in a sector that the disk cannot read is told as
// damage; everything else is published, on a running bridge and by the next start.
func TestUnreadableSector(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start bool // the sector is found by a start, not by the running bridge
	}{{"running", false}, {"at-the-start", true}} {
		t.Run(c.name, func(t *testing.T) {
			n := natstest.Start(t)
			px := natstest.StartProxy(t, n.URL)
			o, fs := onFS(t, px.URL())
			px.Down()
			p := open(t, o)
			const events = 100
			want := natstest.Numbered("id", events)
			for _, id := range want {
				wantAnswer(t, p, natstest.Delivery(natstest.Padded(id, 100_000)), nil) // more than is kept in memory
			}
			segment := ""
			for name := range fs.Files() {
				if strings.HasSuffix(name, ".seg") && strings.Contains(name, "/journal/") {
					segment = name
				}
			}
			fs.SetHook(journaltest.Unreadable(segment, 600<<10, 4096))
			if c.start {
				p = reopen(t, p, o)
			}
			px.Up()
			a := settle(t, p)
			got := n.IDs(t, "TREBLE")
			if len(got) < events-2 || a.Stored != int64(len(got)) || a.Damaged != int64(events-len(got)) || a.Unaccounted != 0 {
				t.Errorf("got %d events, %+v; want all but those in the sector, and these as damaged", len(got), a)
			}
			n.WantIDs(t, "TREBLE", slices.DeleteFunc(want, func(id string) bool { return !slices.Contains(got, id) })...)
			if s := p.Status(); !s.Ready || !s.Degraded || !says(p, "damaged") {
				t.Errorf("Status = %+v, want ready, and the damage as a reason", s)
			}
			publish(t, p, "after")

			p = reopen(t, p, o)
			publish(t, p, "after-a-start")
			n.WantIDs(t, "TREBLE", append(got, "after", "after-a-start")...)
		})
	}
}
