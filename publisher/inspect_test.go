package publisher_test

import (
	"os"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/publisher/inspect"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/outbox/ledger"
)

func inspected(t *testing.T, dataDir string) *inspect.State {
	t.Helper()
	s, err := inspect.Journals(t.Context(), dataDir, nil)
	if err != nil {
		t.Fatalf("InspectJournal: %v", err)
	}
	return s
}

// wantAccount compares but for what differs on purpose: the bridge retains for a
// time, the files until their segment is removed.
func wantAccount(t *testing.T, s *inspect.State, want ledger.Account) {
	t.Helper()
	got := s.Account
	got.Retained, want.Retained = 0, 0
	if got != want {
		t.Errorf("counted from the records %+v, the bridge says %+v", got, want)
	}
}

// The account that is counted from the records is that of the bridge: without
// NATS, with it, while it runs and afterwards.
func TestInspectAgreesWithLedger(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	o := withJournal(t, px.URL())
	p := open(t, o)
	began := time.Now()
	accept(t, p, natstest.Numbered("id", 20)...)
	wantAnswer(t, p, deliveryOf("a", "b", "c"), nil)
	s := inspected(t, o.DataDir)
	wantAccount(t, s, p.Events().Account())
	if !s.Sound() || !s.Running || s.PID != os.Getpid() || s.PendingEntries != 21 || s.Pending != 23 {
		t.Errorf("NATS away: %+v", s)
	}
	if s.Oldest.Before(began.Truncate(time.Millisecond)) || s.Oldest.After(time.Now()) {
		t.Errorf("oldest pending: got %s, want one of this test, which began %s", s.Oldest, began)
	}
	px.Up()
	settle(t, p)
	accept(t, p, "id-0") // a duplicate
	a := settle(t, p)
	// Marks follow within about a second.
	natstest.Eventually(t, "the marks are on disk", func() bool { return inspected(t, o.DataDir).Pending == 0 })
	s = inspected(t, o.DataDir)
	wantAccount(t, s, a)
	if a.Duplicate != 1 || !s.Oldest.IsZero() || s.Entries != 22 || !s.Sound() {
		t.Errorf("settled: %+v, account %+v", s, a)
	}
	closed(t, p)
	s = inspected(t, o.DataDir)
	wantAccount(t, s, a)
	if s.Running || !s.Sound() || s.Torn > 0 {
		t.Errorf("stopped: %+v", s)
	}
}

// Segments come and go under the inspection, and the account stays whole.
func TestInspectAcrossSegments(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	o := withJournal(t, n.URL)
	o.Journal.MaxBytes, o.Journal.Retain = 16*value.MiB, 0
	p := open(t, o)
	const events = 40
	for i, id := range natstest.Numbered("id", events) {
		d := natstest.Delivery(natstest.Padded(id, 500_000))
		natstest.Eventually(t, "there is room", func() bool { return p.Accept(t.Context(), d) == nil })
		if s := inspected(t, o.DataDir); s.Unaccounted != 0 || !s.Sound() || s.Accepted != int64(i+1) {
			t.Fatalf("after %d: %+v", i+1, s)
		}
	}
	a := settle(t, p)
	closed(t, p)
	s := inspected(t, o.DataDir)
	wantAccount(t, s, a)
	if s.First == 1 || s.Checkpoints == 0 || s.Accepted != events || !s.Sound() {
		t.Errorf("got %+v; want the first segment gone, and all accounted for", s)
	}
}
