package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
)

func TestNewest(t *testing.T) {
	t.Parallel()
	const events = 4500 // two windows
	n := natstest.Start(t)
	fill(t, n, events)
	s := n.Find(t, "TREBLE")
	m, err := s.GetMsg(t.Context(), 2001)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{4499, 4498} {
		if err := s.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	c := clienttest.Open(t, clienttest.Options(n.URL))
	rare := []schema.Kind{schema.KindMessageTimedOut}
	for _, tt := range []struct {
		name string
		f    client.Filter
		n    int
		want string // the first and the last, and how many
	}{
		{"all", client.Filter{}, 3, "4496 4500 3"}, // two are deleted
		{"more-than-there-are", client.Filter{}, 9000, "1 4500 4498"},
		{"kind", client.Filter{Kinds: rare}, 2, "4490 4500 2"},
		{"kind-in-several-windows", client.Filter{Kinds: rare}, 300, "1510 4500 300"},
		{"id", client.Filter{ID: "e-17"}, 2, "17 17 1"},
		{"session", client.Filter{Session: "session-1"}, 4, "4495 4500 4"},
		{"none", client.Filter{Session: "nobody"}, 4, "0 0 0"},
		{"sequences", client.Filter{FromSeq: 10, ToSeq: 3000}, 2, "2999 3000 2"},
		{"since", client.Filter{Since: m.Time, Kinds: rare, ToSeq: 2030}, 100, "2010 2030 3"},
		{"until", client.Filter{Until: m.Time, FromSeq: 1000}, 1, "2000 2000 1"},
		{"since-the-future", client.Filter{Since: time.Now().Add(time.Hour)}, 1, "0 0 0"},
		{"until-the-past", client.Filter{Until: time.Now().Add(-time.Hour)}, 1, "0 0 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := c.Newest(t.Context(), tt.f, tt.n, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := "0 0 0"
			if len(found) > 0 {
				got = fmt.Sprintf("%d %d %d", found[0].Sequence, found[len(found)-1].Sequence, len(found))
			}
			before := strings.Fields(tt.want)
			if tt.name == "until" || tt.name == "since" {
				// Several messages can have one time of storage.
				if len(strings.Fields(got)) != 3 || strings.Fields(got)[2] != before[2] {
					t.Errorf("got %s, want about %s", got, tt.want)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	looked := uint64(0) // two of the newest are deleted, so it takes a second window
	if _, err := c.Newest(t.Context(), client.Filter{}, 5, nil, func(n uint64) { looked = n }); err != nil || looked > 15 {
		t.Errorf("the newest 5 of %d took a look at %d (%v)", events, looked, err)
	}
	if _, err := c.Newest(t.Context(), client.Filter{ID: "e-1"}, 1, nil, func(n uint64) { looked = n }); err != nil || looked != events {
		t.Errorf("the first event took a look at %d of %d (%v)", looked, events, err)
	}
}
