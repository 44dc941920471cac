package forget_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/forget"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

const (
	mySession    = "session-of-mine-0123456789"
	theirSession = "session-of-theirs-0123456789"
)

// mixed are messages of the person, of which two are told only by the session, before
// and behind the one that tells it, and of somebody else.
func mixed(n int) []string {
	return []string{
		bare(mySession, 1), read("3001234567", mySession, n), bare(mySession, 2),
		read("3109876543", theirSession, n), bare(theirSession, 1),
	}
}

func TestForgetOfRunningAndStopped(t *testing.T) {
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			b, stop := p.bridge(t, true)
			accept(t, b, mixed(1)...)
			accept(t, b, `{"phone":"`+me, `{"phone":"+573109876543`)
			p.server.AwaitMessages(t, "TREBLE", 5)
			p.server.AwaitMessages(t, "TREBLE_QUARANTINE", 2)
			if !running {
				stop()
			}
			r := p.run(t, me)
			if got := find(t, r); got.Streams["TREBLE"] != 3 || got.Streams["TREBLE_QUARANTINE"] != 1 || got.Journal != 4 || got.Total() != 8 {
				t.Fatalf("found %+v", got)
			}
			if r.BridgeRuns() != running {
				t.Errorf("running: %t", !running)
			}
			erased, left := eraseFound(t, r)
			if erased.Total() != 4 || left.Total() != 4 || left.Copies() != 4 {
				t.Fatalf("erased %+v, left %+v", erased, left)
			}
			p.server.AwaitMessages(t, "TREBLE", 2)
			p.server.AwaitMessages(t, "TREBLE_QUARANTINE", 1)
			if r := p.run(t, me); find(t, r).Copies() != 4 || !r.Idle() {
				t.Errorf("there is something to do again: %+v", find(t, r))
			}
			if got := find(t, p.run(t, "+573109876543")); got.Total() != 6 {
				t.Errorf("of somebody else: %+v, want all 6", got)
			}
			if notes := r.Copies(t.Context(), publisher.DefaultConfig().Spec("")); len(notes) > 0 {
				t.Errorf("notes of nothing: %q", notes)
			}
		})
	}
}

// Wherever a run is cut off, the next one, which knows nothing but the number, finds
// all that is left, also what only the session tells.
func TestCutOffAtEveryStep(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, _ := p.bridge(t, true)
	for n := range 4 { // three deletions, and none
		accept(t, b, mixed(n)...)
		p.server.AwaitMessages(t, "TREBLE", 5+2*n)
		r := p.run(t, me)
		if got := find(t, r); got.Deletable() != 3 || got.Journal != int64(3*(n+1)) {
			t.Fatalf("found %+v", got)
		}
		ctx, cut := context.WithCancel(t.Context())
		steps := 0
		if n == 0 {
			cut()
		}
		_, _, err := r.Erase(ctx, forget.EraseOptions{Pending: 10 * time.Second, Step: func() {
			if steps++; steps == n {
				cut()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cut off after %d: %v", n, err)
		}
		again := p.run(t, me)
		find(t, again)
		if _, left := eraseFound(t, again); left.Deletable() != 0 || !again.Idle() {
			t.Fatalf("after %d: left %+v", n, left)
		}
		cut()
		if got := find(t, p.runFor(t, forget.ByID(mySession))); got.Deletable() != 0 {
			t.Errorf("cut off after %d deletions, the session is left: %+v", n, got)
		}
	}
}

// What was forgotten stays away when NATS restarts, or loses what it had, although the
// journal could heal it; a run that ended between the note and the deletion harms nothing.
func TestForgottenIsNotHealed(t *testing.T) {
	for name, c := range map[string]struct {
		running bool
		cut     bool // the first run ends between the note and the deletion
		lose    bool // the stream loses everything, rather than that its server restarts
	}{
		"restart":         {running: true},
		"restart-stopped": {},
		"loss":            {running: true, lose: true},
		"loss-stopped":    {lose: true},
		"loss-cut-off":    {running: true, cut: true, lose: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			b, stop := p.bridge(t, true)
			accept(t, b, mixed(1)...)
			p.server.AwaitMessages(t, "TREBLE", 5)
			if !c.running {
				stop()
			}
			if c.cut {
				r := p.run(t, me)
				find(t, r)
				if err := r.NoteOnly(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r := p.run(t, me)
			if got := find(t, r); got.Streams["TREBLE"] != 3 {
				t.Fatalf("found %+v", got)
			}
			if _, left := eraseFound(t, r); left.Deletable() != 0 {
				t.Fatalf("left %+v", left)
			}
			p.server.AwaitMessages(t, "TREBLE", 2)
			if c.lose {
				if err := p.client.JetStream().DeleteStream(t.Context(), "TREBLE"); err != nil {
					t.Fatal(err)
				}
			}
			p.server.Restart(t)
			natstest.Eventually(t, "the client is connected again", func() bool {
				_, err := p.client.JetStream().AccountInfo(t.Context())
				return err == nil
			})
			if !c.running {
				b, _ = p.bridge(t, true)
			}
			accept(t, b, read("3109876543", theirSession, 2)) // behind whatever is healed
			p.server.AwaitMessages(t, "TREBLE", 3)
			if got := find(t, p.run(t, me)); got.Deletable() != 0 || got.Copies() != 3 {
				t.Errorf("it is back: %+v", got)
			}
		})
	}
}

// What was accepted and NATS does not take stays, and so does all that tells whose
// it is.
func TestPendingIsLeft(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, stop := p.bridge(t, true)
	accept(t, b, read("3001234567", mySession, 1))
	p.server.AwaitMessages(t, "TREBLE", 1)
	p.server.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
	accept(t, b, bare(mySession, 1))
	for _, running := range []bool{true, false} {
		if !running {
			stop()
		}
		r := p.run(t, me)
		find(t, r)
		// The mark that the first one is stored may reach the disk after a second.
		erased, left, err := r.Erase(t.Context(), forget.EraseOptions{Pending: 50 * time.Millisecond, Copies: true})
		if err != nil || erased.Total() != 0 || left.Journal != 2 || left.Pending == 0 || left.Streams["TREBLE"] != 1 {
			t.Errorf("running %t: erased %+v, left %+v, %v", running, erased, left, err)
		}
	}
	p.server.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
	_, _ = p.bridge(t, true)
	r := p.run(t, me)
	find(t, r) // which may still be pending, and is waited for
	if erased, left := eraseFound(t, r); erased.Streams["TREBLE"] != 2 || left.Deletable() != 0 || left.Pending != 0 {
		t.Errorf("when it is published: left %+v", left)
	}
}

// The copies in the journals are waited for. Something that comes meanwhile is counted, and
// left to another run.
func TestCopiesInTheJournalsGo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.retain = 0
	b, stop := p.bridge(t, true)
	p.fill(t, b)
	r := p.run(t, me)
	find(t, r)
	come := func() {
		accept(t, b, mixed(2)...)
		// So much that the journals begin new segments.
		for i := range 6 {
			accept(t, b, fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, strings.Repeat("x", 900<<10)), fmt.Sprintf(`{"n":%d,"x":"%s`, i, strings.Repeat("x", 900<<10)))
		}
	}
	step := 0
	erased, left, err := r.Erase(t.Context(), forget.EraseOptions{Pending: 10 * time.Second, Copies: true, Step: func() {
		if step++; step == 1 {
			come()
		}
	}})
	if err != nil || left.Streams["TREBLE"] != 3 || erased.Streams["TREBLE"] != 3 || erased.Streams["TREBLE_QUARANTINE"] != 1 || erased.Journal != 4 {
		t.Errorf("erased %+v, left %+v, %v", erased, left, err)
	}
	r = p.run(t, me)
	find(t, r)
	if erased, left := eraseFound(t, r); erased.Streams["TREBLE"] != 3 || left.Deletable() != 0 {
		t.Errorf("another run: erased %+v, left %+v", erased, left)
	}
	stop()
	r = p.run(t, "+573109876543")
	if got := find(t, r); got.Streams["TREBLE"] != 4 {
		t.Errorf("of somebody else: %+v", got)
	}
	if _, left, err := r.Erase(t.Context(), forget.EraseOptions{Copies: true}); err != nil || left.Deletable() != 0 {
		t.Errorf("of a bridge that stopped: left %+v, %v", left, err)
	}
}

// TestMoreKeepsComing: a run ends while events of the person come faster than it reads, each of a
// session of its own. What was accepted before it began is gone, also what was not published
// then; what came later is counted, and another run deletes it.
func TestMoreKeepsComing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, _ := p.bridge(t, true)
	const before = 20
	for i := range before {
		accept(t, b, read("3001234567", fmt.Sprintf("before-%d", i), 1)) // not all are published when the run begins
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	came, steps := 0, 0
	more := func() {
		if steps++; steps%5 == 0 {
			came++
			accept(t, b, read("3001234567", fmt.Sprintf("later-%d", came), 1))
		}
	}
	r := p.run(t, me)
	if _, err := r.Find(ctx, more); err != nil {
		t.Fatalf("the search does not end: %v, %d came", err, came)
	}
	_, left, err := r.Erase(ctx, forget.EraseOptions{Pending: 10 * time.Second, Step: more})
	if err != nil || left.Total() == 0 {
		t.Fatalf("left %+v, %v", left, err)
	}
	cancel()
	for _, m := range p.server.Messages(t, "TREBLE") {
		if strings.Contains(string(m.Data), "before-") {
			t.Errorf("message %d was accepted before, and is left: %s", m.Sequence, m.Data)
		}
	}
	again := p.run(t, me)
	find(t, again)
	if _, left := eraseFound(t, again); left.Deletable() != 0 || left.Pending != 0 {
		t.Errorf("when no more come: left %+v", left)
	}
}

// Where a stream lets nothing be deleted, nothing is deleted anywhere.
func TestNothingIsDeletedWhereAStreamDeniesIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.server.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, DenyDelete: true})
	b, _ := p.bridge(t, true)
	p.fill(t, b)
	r := p.run(t, me)
	find(t, r)
	_, _, err := r.Erase(t.Context(), forget.EraseOptions{})
	if err == nil || !strings.Contains(err.Error(), "stream TREBLE holds 3 of the messages and lets nothing be deleted (deny_delete)") {
		t.Errorf("got %v", err)
	}
	if got := find(t, r); got.Total() != 8 {
		t.Errorf("something was deleted: %+v", got)
	}
	stranger := p.run(t, "+573000000000")
	find(t, stranger)
	if err := stranger.Denied(); err != nil {
		t.Errorf("for somebody who is not in it: %v", err)
	}
}

// What the server refuses to delete is named, and so is all that is left with it: what
// tells whose a message is stays as long as that message does.
func TestRefusedDeletionIsNamed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, _ := p.bridge(t, true)
	p.fill(t, b)
	r := p.run(t, me)
	find(t, r)
	p.server.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.DenyDelete = true })
	erased, left, err := r.Erase(t.Context(), forget.EraseOptions{})
	if err == nil || !strings.Contains(err.Error(), "delete message 1 of stream TREBLE") || left == nil || erased.Total() != 0 {
		t.Fatalf("erased %+v, left %+v, %v", erased, left, err)
	}
	sequences, files := r.Left()
	if !slices.Equal(sequences["TREBLE"], []uint64{1, 2, 3}) || len(sequences["TREBLE_QUARANTINE"]) != 1 || len(files) > 0 {
		t.Errorf("left %v and %v", sequences, files)
	}
}

// A number that is spelled as address books paste it is forgotten, in every place.
func TestForgetSpellings(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, _ := p.bridge(t, true)
	spelled := []string{
		read("300\u202f123\u202f4567", mySession, 1), read("300\u20111234567", mySession, 2), read("３００１２３４５６７", mySession, 3),
		`{"session_id":"other-session","read_at":"2026-01-02 03:04:05","sent_text":"call tel:%2B57%20300%201234567"}`,
		`{"session_id":"another-session","read_at":"2026-01-02 03:04:05","sent_text":"call 300 123-4567 (+57)"}`,
		`{"session_id":"one-more-session","read_at":"2026-01-02 03:04:05","sent_text":"call +573,001,234,567"}`,
		read("3,001,234,567", mySession, 3), read("3001234567 (+57)", mySession, 4),
	}
	accept(t, b, spelled...)
	refused := []string{"{\"x\":\"+57\u2011300\u20111234567\"", `{"x":"3001234567/+57"`, `{"x":"3001234567 +57"`, `{"x":"573,001,234,567"`}
	accept(t, b, refused...)
	accept(t, b, read("3109876543", theirSession, 1))
	p.server.AwaitMessages(t, "TREBLE", len(spelled)+1)
	p.server.AwaitMessages(t, "TREBLE_QUARANTINE", len(refused))
	r := p.run(t, "+57 300\u2009123\u20094567")
	find(t, r)
	if erased, left := eraseFound(t, r); left.Deletable() != 0 || erased.Streams["TREBLE"] != int64(len(spelled)) || erased.Streams["TREBLE_QUARANTINE"] != int64(len(refused)) {
		t.Errorf("erased %+v, left %+v", erased, left)
	}
	p.server.AwaitMessages(t, "TREBLE", 1)
}

// Other streams are cleaned when they are named, and named when they are known.
func TestCopiesInOtherStreams(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b, _ := p.bridge(t, true)
	p.server.Stream(t, jetstream.StreamConfig{Name: "COPY", Sources: []*jetstream.StreamSource{{Name: "TREBLE"}}})
	accept(t, b, mixed(1)...)
	p.server.AwaitMessages(t, "COPY", 5)
	bucket, err := audit.Open(t.Context(), p.client, publisher.DefaultConfig().Spec(""))
	if err != nil {
		t.Fatal(err)
	}
	for run, detail := range map[string]string{
		"replay-1": `{"target":{"to":"stream","stream":"BILLING"}}`, "replay-2": `{"target":{"to":"stream","stream":"TREBLE_REPLAY"}}`,
		"replay-3": `{"target":{"to":"file","file":"/tmp/x"}}`, "replay-4": `{"target":{"to":"url","host":"https://there"}}`,
	} {
		if err := bucket.Put(t.Context(), audit.Record{Run: run, Action: "replay", Who: "me@here", Detail: []byte(detail)}); err != nil {
			t.Fatal(err)
		}
	}
	r := p.run(t, me)
	notes := strings.Join(r.Copies(t.Context(), publisher.DefaultConfig().Spec("")), "\n")
	for _, want := range []string{"stream COPY has copies", "to stream BILLING", "file /tmp/x of here", "posted to https://there"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in the notes:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "_REPLAY") {
		t.Errorf("what is looked at needs no note:\n%s", notes)
	}
	r = p.run(t, me, "COPY")
	find(t, r)
	if erased, left := eraseFound(t, r); left.Deletable() != 0 || erased.Streams["COPY"] != 3 {
		t.Errorf("erased %+v, left %+v", erased, left)
	}
	p.server.AwaitMessages(t, "COPY", 2)
	if _, err := p.run(t, me, "MISSING").Find(t.Context(), func() {}); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a stream that is named and missing: %v", err)
	}
}

func TestDataDirsThatCannotBeErased(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if d, err := forget.OpenDataDir(t.Context(), filepath.Join(p.dir, "none"), nil, "TREBLE", 0); d != nil || err != nil {
		t.Errorf("where no bridge ever ran: %v, %v", d, err)
	}
	_, stop := p.bridge(t, false)
	if _, err := forget.OpenDataDir(t.Context(), p.dir, nil, "TREBLE", 0); err == nil || !strings.Contains(err.Error(), "stop it, and run this again") {
		t.Errorf("a bridge that cannot be asked: %v", err)
	}
	stop()
	if d, err := forget.OpenDataDir(t.Context(), p.dir, nil, "TREBLE", 0); err != nil || d.Running() {
		t.Errorf("when it stopped: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	if err := os.Chown(p.dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := forget.OpenDataDir(t.Context(), p.dir, nil, "TREBLE", 0); err == nil || !strings.Contains(err.Error(), "belongs to user id 12345") {
		t.Errorf("of another user: %v", err)
	}
}
