package publisher_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
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
			pad := `"` + strings.Repeat("x", 100_000) + `"` // more than is kept in memory
			var want []string
			for i := range events {
				id := fmt.Sprintf("id-%03d", i)
				if err := p.Accept(t.Context(), delivery.Delivery{Events: []schema.Event{natstest.Event(id, pad)}}); err != nil {
					t.Fatal(err)
				}
				want = append(want, id)
			}
			segment := ""
			for name := range fs.Files() {
				if strings.HasSuffix(name, ".seg") && strings.Contains(name, "/journal/") {
					segment = name
				}
			}
			fs.SetHook(journaltest.Unreadable(segment, 600<<10, 4096))
			if c.start {
				closed(t, p)
				o.Metrics = nil
				p = open(t, o)
			}
			px.Up()
			a := settle(t, p)
			got := n.IDs(t, "TREBLE")
			if len(got) < events-2 || a.Stored != int64(len(got)) || a.Damaged != int64(events-len(got)) || a.Unaccounted != 0 {
				t.Errorf("got %d events, %+v; want all but those in the sector, and these as damaged", len(got), a)
			}
			wantIDs(t, got, slices.DeleteFunc(want, func(id string) bool { return !slices.Contains(got, id) }))
			if s := p.Status(); !s.Ready || !s.Degraded || !strings.Contains(strings.Join(reasonsOf(s), "\n"), "damaged") {
				t.Errorf("Status = %+v, want ready, and the damage as a reason", s)
			}
			accept(t, p, "after")
			settle(t, p)

			closed(t, p)
			o.Metrics = nil
			p = open(t, o)
			accept(t, p, "after-a-start")
			settle(t, p)
			wantIDs(t, n.IDs(t, "TREBLE"), append(got, "after", "after-a-start"))
		})
	}
}
