package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/journal/journaltest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/schema"
	"github.com/treble-bridge/treble-bridge/schema/delivery"
)

// onFS returns options for a bridge whose journal is on a file system in
// memory, and whose NATS is behind a proxy.
func onFS(t *testing.T, url string) (publisher.Options, *journaltest.FS) {
	o := withJournal(t, url)
	fs := journaltest.New()
	o = o.WithJournalFS(fs)
	o.Journal.Reserve = 0
	return o, fs
}

// TestNoAnswerBeforeTheFlush: while a flush is held, nothing is accepted.
func TestNoAnswerBeforeTheFlush(t *testing.T) {
	n := natstest.Start(t)
	o, fs := onFS(t, n.URL)
	p := open(t, o)
	publish(t, p, "before")
	held, release := fs.HoldSync()
	answers := make(chan error, 20)
	for i := range cap(answers) {
		go func() { answers <- p.Accept(t.Context(), deliveryOf(fmt.Sprint("held-", i))) }()
	}
	<-held
	select {
	case err := <-answers:
		t.Errorf("Accept = %v while its flush is held, want no answer", err)
	case <-time.After(100 * time.Millisecond): // long enough to be wrong
	}
	if got := len(n.IDs(t, "TREBLE")); got != 1 {
		t.Errorf("got %d messages in the stream, want only the first", got)
	}
	release()
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Errorf("Accept: %v", err)
		}
	}
	settle(t, p)
}

// TestFlushThatHangs: a caller whose flush is under way gets no answer, one
// behind it a refusal, and what got the refusal never appears.
func TestFlushThatHangs(t *testing.T) {
	n := natstest.Start(t)
	o, fs := onFS(t, n.URL)
	p := open(t, o)
	for _, b := range p.Outboxes() { // which flush what they find in the streams, each in its journal
		natstest.Eventually(t, "serving", b.Serving)
	}
	held, release := fs.HoldSync()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	first := make(chan error, 1)
	go func() { first <- p.Accept(ctx, deliveryOf("flushing")) }()
	<-held
	if err := p.Accept(ctx, deliveryOf("behind")); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("behind: Accept = %v, want %v", err, delivery.ErrUnavailable)
	}
	if err := <-first; !errors.Is(err, delivery.ErrNoAnswer) {
		t.Errorf("flushing: Accept = %v, want %v", err, delivery.ErrNoAnswer)
	}
	release()
	publish(t, p, "after")
	n.WantIDs(t, "TREBLE", "flushing", "after")
}

// TestJournalFaults: whatever the disk says, what is refused never appears,
// what is accepted does, and acceptance resumes by itself.
func TestJournalFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"ENOSPC": syscall.ENOSPC, "EIO": syscall.EIO, "EROFS": syscall.EROFS, "EACCES": syscall.EACCES} {
		for _, call := range []journaltest.Kind{journaltest.Write, journaltest.Sync, journaltest.Open, journaltest.SyncDir} {
			t.Run(fmt.Sprintf("%s-%s", call, name), func(t *testing.T) {
				n := natstest.Start(t)
				o, fs := onFS(t, n.URL)
				p := open(t, o)
				var want []string
				maybe := map[string]bool{} // got no answer, which only a failing flush is allowed
				try := func(id string) bool {
					err := p.Accept(t.Context(), deliveryOf(id))
					switch {
					case err == nil:
						want = append(want, id)
					case call == journaltest.Sync && errors.Is(err, delivery.ErrNoAnswer):
						maybe[id] = true
					case !errors.Is(err, delivery.ErrUnavailable):
						t.Errorf("%s: Accept = %v, want nil or %v", id, err, delivery.ErrUnavailable)
					}
					return err == nil
				}
				for i := range 5 {
					try(fmt.Sprint("before-", i))
				}
				fs.SetHook(journaltest.FailNth(1, true, fault, journaltest.Is("journal", call)))
				for i := range 5 {
					try(fmt.Sprint("during-", i))
				}
				fs.SetHook(nil)
				tries := 0
				natstest.Eventually(t, "accepted again", func() bool { tries++; return try(fmt.Sprint("after-", tries)) })
				settle(t, p)
				if got := slices.DeleteFunc(n.IDs(t, "TREBLE"), func(id string) bool { return maybe[id] }); !slices.Equal(got, want) {
					t.Errorf("the stream has %q, want %q", got, want)
				}
				natstest.Eventually(t, "ready", func() bool { return p.Status().Ready })
			})
		}
	}
}

// TestFullJournal: it refuses, loses nothing, and takes events again when NATS
// is back.
func TestFullJournal(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := withJournal(t, px.URL())
	o.Journal.MaxBytes = publisher.MinJournal
	px.Down()
	p := open(t, o)
	var want []string
	full := false
	for i := 0; i < 100 && !full; i++ {
		id := fmt.Sprintf("e-%03d", i)
		err := p.Accept(t.Context(), natstest.Delivery(natstest.Padded(id, 500_000)))
		switch {
		case err == nil:
			want = append(want, id)
		case errors.Is(err, delivery.ErrUnavailable):
			full = true
		default:
			t.Fatalf("Accept: %v", err)
		}
	}
	if !full || len(want) < 10 {
		t.Fatalf("accepted %d events, full: %v; want some and then no more", len(want), full)
	}
	if p.Status().Ready || !says(p, "the journal of events is full") {
		t.Errorf("Status = %+v, want unready because of the full journal", p.Status())
	}
	px.Up()
	natstest.Eventually(t, "ready, without another event", func() bool { return p.Status().Ready })
	natstest.Eventually(t, "accepted again", func() bool {
		id := fmt.Sprintf("f-%03d", len(want))
		err := p.Accept(t.Context(), natstest.Delivery(natstest.Padded(id, 500_000)))
		if err == nil {
			want = append(want, id)
		}
		return err == nil
	})
	settle(t, p)
	n.WantIDs(t, "TREBLE", want...)
}

// TestLimitOutlivesARestart: without NATS, the limit that was last seen holds.
func TestLimitOutlivesARestart(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 3 << 20 })
	o := withJournal(t, n.URL)
	p := open(t, o)
	natstest.Eventually(t, "the limit is noted", func() bool { return p.Events().Limit() == 3<<20 })
	n.Kill()
	p = reopen(t, p, o)
	wantAnswer(t, p, natstest.Delivery(natstest.Padded("big", 2<<20)), nil) // the server takes 3 MiB
	n.Restart(t)
	settle(t, p)
}

// TestRetainedIsReleased: settled entries leave the disk after a while, and
// before that if room is needed.
func TestRetainedIsReleased(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	o := withJournal(t, n.URL)
	o.Journal.Retain = 0
	p := open(t, o)
	publish(t, p, natstest.Numbered("id", 50)...)
	natstest.Eventually(t, "released", func() bool { return p.Events().Account().Retained == 0 })
}

// TestSourceLeavesJournalToOthers: while NATS is away a source fills its share of the journal, and
// the others go on; when NATS is back it is taken again.
func TestSourceLeavesJournalToOthers(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	o := withJournal(t, px.URL())
	o.Journal.MaxBytes = publisher.MinJournal
	px.Down()
	p := open(t, o)
	sent := 0
	send := func(source string) error {
		sent++
		return p.Accept(t.Context(), delivery.Delivery{
			Origin: delivery.Origin{Source: source, Share: .5},
			Events: []schema.Event{natstest.Padded(fmt.Sprintf("%s-%03d", source, sent), 500_000)}})
	}
	accepted := map[string]int{}
	for _, source := range []string{"flood", "other"} {
		for range 20 {
			if err := send(source); err == nil {
				accepted[source]++
			} else if !errors.Is(err, delivery.ErrUnavailable) {
				t.Fatalf("%s: %v", source, err)
			}
			if source == "other" && accepted[source] == 5 {
				break
			}
		}
	}
	if accepted["flood"] < 5 || accepted["flood"] > 17 || accepted["other"] != 5 {
		t.Fatalf("accepted %v; want the flood stopped at half of the journal, and 5 of the other", accepted)
	}
	if s := p.Status(); !s.Ready {
		t.Errorf("got %+v, want ready: there is room for others", s)
	}
	px.Up()
	settle(t, p)
	if err := send("flood"); err != nil {
		t.Errorf("when NATS has taken all: got %v", err)
	}
}

// TestRoomBesideTheStore: where journal and embedded server share a disk, what was accepted has room in
// the store too, or a full disk would stay full. A NATS elsewhere has a disk of its own.
func TestRoomBesideTheStore(t *testing.T) {
	const capacity = 8 << 20
	for name, url := range map[string]string{"embedded": "", "external": natstest.Start(t).URL} {
		t.Run(name, func(t *testing.T) {
			o, fs := onFS(t, url)
			fs.Capacity = capacity
			p := open(t, o.WithStream(faulty(func(int64) fault { return lost })))
			var err error
			for n := 0; err == nil; n++ {
				if n > capacity>>16 {
					t.Fatalf("%d bytes took %d events of 64 kB", capacity, n)
				}
				err = p.Accept(t.Context(), natstest.Delivery(natstest.Padded(fmt.Sprint("event-", n), 64<<10)))
			}
			if p.Events().Full() == nil {
				t.Fatalf("Accept = %v, and the journal is not full", err)
			}
			free, err := fs.Free(o.DataDir)
			if err != nil {
				t.Fatal(err)
			}
			if pending := p.Events().PendingBytes(); (free >= pending) != (url == "") {
				t.Errorf("%d bytes are free when the journal is full, and %d are pending", free, pending)
			}
		})
	}
}
