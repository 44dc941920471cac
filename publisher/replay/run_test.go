package replay_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/replay"
	"github.com/treble-bridge/treble-bridge/schema"
)

func TestReplayStream(t *testing.T) {
	b, c := startFilled(t, 3000)
	r := newRun(t, c, replay.Spec{}, replay.Options{})
	if n, err := r.Count(t.Context(), nil); err != nil || n != 3000 {
		t.Fatalf("Count: %d, %v", n, err)
	}
	res := do(t, r)
	if res.State != audit.Done || res.Replayed != 3000 || res.Total != 3000 || res.Sequence != 3000 || res.Resumable {
		t.Errorf("got %+v", res)
	}
	expectOnce(t, b.sequences(t, "TREBLE_REPLAY", r.Name()), 3000, true)
	m := b.Messages(t, "TREBLE_REPLAY")[2]
	if got, want := m.Subject, "treble-replay."+r.Name()+".unrecognized"; got != want {
		t.Errorf("got subject %s, want %s", got, want)
	}
	cfg := b.StreamInfo(t, "TREBLE_REPLAY").Config
	if cfg.MaxAge != 7*24*time.Hour || cfg.Storage != jetstream.FileStorage || cfg.Replicas != 1 || cfg.Subjects[0] != "treble-replay.>" || cfg.Duplicates != 10*time.Minute {
		t.Errorf("got %+v", cfg)
	}
	rec, d, _ := record(t, c, r.Name())
	if rec.State != audit.Done || rec.Who != "me@here" || rec.Ended.IsZero() || rec.Counts["replayed"] != 3000 || rec.Counts["total"] != 3000 || d.End != 3000 {
		t.Errorf("got %+v, %+v", rec, d)
	}
	// A second run is another one: all again.
	second := newRun(t, c, replay.Spec{Limit: 10}, replay.Options{})
	do(t, second)
	expectOnce(t, b.sequences(t, "TREBLE_REPLAY", second.Name()), 10, true)
	if _, err := tryResume(t, c, r, replay.Given{}); err == nil || !strings.Contains(err.Error(), "is done") {
		t.Errorf("resume of a done run: %v", err)
	}
	if _, err := replay.Resume(t.Context(), c, "replay-nothing", replay.Given{}, replay.Options{Streams: theStreams}); !errors.Is(err, audit.ErrNoRun) {
		t.Errorf("resume of no run: %v", err)
	}
}

func TestFilters(t *testing.T) {
	b, c := startFilled(t, 40)
	between := b.Messages(t, "TREBLE")[19].Time
	for _, tt := range []struct {
		name string
		s    replay.Spec
		want int
	}{
		{"all", replay.Spec{}, 40},
		{"kind", replay.Spec{Filter: client.Filter{Kinds: []schema.Kind{schema.KindUnrecognized}}}, 4},
		{"session", replay.Spec{Filter: client.Filter{Session: "session-7"}}, 1},
		{"conversation", replay.Spec{Filter: client.Filter{Conversation: "conversation-8"}}, 1},
		{"phone", replay.Spec{Filter: client.Filter{Phone: phoneOf(9)}}, 1},
		{"source", replay.Spec{Filter: client.Filter{Source: "other"}}, 4},
		{"id", replay.Spec{Filter: client.Filter{ID: anEvent(5).ID}}, 1},
		{"sequences", replay.Spec{Filter: client.Filter{FromSeq: 5, ToSeq: 9}}, 5},
		{"sequences-kind", replay.Spec{Filter: client.Filter{FromSeq: 5, ToSeq: 23, Kinds: []schema.Kind{schema.KindUnrecognized}}}, 2},
		{"since", replay.Spec{Filter: client.Filter{Since: between}}, 21},
		{"until", replay.Spec{Filter: client.Filter{Until: between}}, 19},
		{"since-from", replay.Spec{Filter: client.Filter{Since: between, FromSeq: 2}}, 21},
		{"until-to", replay.Spec{Filter: client.Filter{Until: between, ToSeq: 30}}, 19},
		{"limit", replay.Spec{Limit: 7}, 7},
		{"limit-inside", replay.Spec{Limit: 3, Filter: client.Filter{Source: "other"}}, 3},
		{"nothing", replay.Spec{Filter: client.Filter{FromSeq: 41}}, 0},
		{"nobody", replay.Spec{Filter: client.Filter{Phone: "+573009999999"}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(t, c, tt.s, replay.Options{})
			if n, err := r.Count(t.Context(), func() {}); err != nil || n != int64(tt.want) {
				t.Errorf("Count: got %d, %v; want %d", n, err, tt.want)
			}
			do(t, r)
			if got := len(b.sequences(t, "TREBLE_REPLAY", r.Name())); got != tt.want {
				t.Errorf("got %d events, want %d", got, tt.want)
			}
		})
	}
}

// TestStopAndResume ends runs in the middle and resumes them, also where the target
// has more than the record knows of.
func TestStopAndResume(t *testing.T) {
	t.Parallel()
	const events = 5000
	b, c := startFilled(t, events)
	ctx, stop := stopAt(t, 1234)
	r := newRun(t, c, replay.Spec{}, replay.Options{Progress: stop})
	res, err := r.Do(ctx)
	if !errors.Is(err, context.Canceled) || res.State != audit.Stopped || !res.Resumable || res.Replayed < 1234 || res.Replayed >= events {
		t.Fatalf("got %+v, %v", res, err)
	}
	got := b.sequences(t, "TREBLE_REPLAY", r.Name())
	if rec, _, _ := record(t, c, r.Name()); rec.State != audit.Stopped || int(rec.Counts["replayed"]) != len(got) || int(res.Replayed) != len(got) {
		t.Errorf("the record %+v and the result %+v must know of all %d", rec, res, len(got))
	}
	// The record of a killed process knows too little, and says that it runs.
	setBack(t, c, r.Name(), 1000)(audit.Running)
	again := resume(t, c, r)
	if n, err := again.Count(t.Context(), nil); err != nil || n != events {
		t.Errorf("Count: %d, %v", n, err)
	}
	if res := do(t, again); res.Replayed != events || res.State != audit.Done {
		t.Errorf("got %+v", res)
	}
	expectOnce(t, b.sequences(t, "TREBLE_REPLAY", r.Name()), events, true)
}

// setBack returns what puts a checkpoint of long ago on record, with a state.
func setBack(t *testing.T, c *client.Client, run string, to uint64) func(state string) {
	t.Helper()
	a, err := audit.Open(t.Context(), c, theStreams)
	if err != nil {
		t.Fatal(err)
	}
	put := func(state string) {
		rec, d, _ := record(t, c, run)
		d.Checkpoint.Sequence, d.Checkpoint.Done = to, int64(to)
		d.Checkpoint.Target = 0
		rec.State, rec.Detail = state, encode(t, d)
		if err := a.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	return put
}

// TestGapIsFilled: in the middle of what a run stored behind its checkpoint one is
// missing, as after a refusal; outside of the duplicate window it is filled, once.
func TestGapIsFilled(t *testing.T) {
	t.Parallel()
	const events, gap = 2000, 777
	b, c := startFilled(t, events)
	b.Stream(t, jetstream.StreamConfig{Name: "TARGET", Subjects: []string{"again.>"}, Duplicates: 100 * time.Millisecond})
	r := newRun(t, c, toSubject("again.{kind}"), replay.Options{})
	do(t, r)
	s, _ := b.JS.Stream(t.Context(), "TARGET")
	if err := s.DeleteMsg(t.Context(), gap); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // until the duplicate window is over: what is tested is not it
	setBack(t, c, r.Name(), gap-100)(audit.Failed)
	do(t, resume(t, c, r))
	got := b.sequences(t, "TARGET", r.Name())
	expectOnce(t, got, events, false)
	if got[len(got)-1] != gap {
		t.Errorf("got %d as the last, want the gap, %d", got[len(got)-1], gap)
	}
}

// TestRefusedInTheMiddle: the target refuses one of many in flight for good, and takes
// those behind it. The run stops at that one; when it is taken it is filled in, once.
func TestRefusedInTheMiddle(t *testing.T) {
	t.Parallel()
	const events, large = 1000, 500
	b := startBroker(t)
	b.fill(t, large-1)
	e := anEvent(large)
	e.Data.Base().Raw = json.RawMessage(`"` + strings.Repeat("x", 5000) + `"`)
	b.Store(t, e)
	b.Store(t, eventRange(large+1, events)...)
	c := b.client(t)
	target := jetstream.StreamConfig{Name: "TARGET", Subjects: []string{"again"}, MaxMsgSize: 3000, Duplicates: 100 * time.Millisecond}
	var r *replay.Run
	for try := 1; ; try++ {
		b.Stream(t, target)
		r = newRun(t, c, toSubject("again"), replay.Options{})
		res, err := r.Do(t.Context())
		if err == nil || !strings.Contains(err.Error(), "event "+e.ID+", at sequence 500") || !strings.Contains(err.Error(), "exceeds maximum") || res.Replayed != large-1 {
			t.Fatalf("got %+v, %v", res, err)
		}
		if b.StreamInfo(t, "TARGET").State.Msgs > large-1 {
			break
		}
		if try == 20 { // on a busy machine the refusal may come before the next one is sent
			t.Fatal("none was ever in flight behind the refused one, so this tests nothing")
		}
		if err := b.JS.DeleteStream(t.Context(), "TARGET"); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond) // until the duplicate window is over
	target.MaxMsgSize = -1
	b.Stream(t, target)
	do(t, resume(t, c, r))
	seen := map[string]int{}
	for _, m := range b.Messages(t, "TARGET") {
		seen[m.Header.Get(schema.HeaderReplaySequence)]++
	}
	for i := 1; i <= events; i++ {
		if n := seen[strconv.Itoa(i)]; n != 1 {
			t.Errorf("event %d is there %d times", i, n)
		}
	}
}

// TestFullStream: a full target stops the run with the reason; with more room it
// goes on.
func TestFullStream(t *testing.T) {
	t.Parallel()
	const events = 3000
	b, c := startFilled(t, events)
	target := jetstream.StreamConfig{Name: "TARGET", Subjects: []string{"again"}, Discard: jetstream.DiscardNew, MaxMsgs: 1500, Duplicates: 100 * time.Millisecond}
	b.Stream(t, target)
	r := newRun(t, c, toSubject("again"), replay.Options{})
	res, err := r.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "maximum messages exceeded") || !strings.Contains(err.Error(), "sequence 1501") || res.Replayed != 1500 {
		t.Fatalf("got %+v, %v", res, err)
	}
	if rec, _, _ := record(t, c, r.Name()); rec.State != audit.Failed || rec.Problem == "" {
		t.Errorf("got %+v", rec)
	}
	target.MaxMsgs = -1
	b.Stream(t, target)
	do(t, resume(t, c, r))
	expectOnce(t, b.sequences(t, "TARGET", r.Name()), events, true)
}

// TestLostConnection cuts the connection and restarts the server in the middle.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	const events = 8000
	b := startBroker(t)
	b.fill(t, events)
	p := natstest.StartProxy(t, b.URL)
	restarted := make(chan struct{})
	cuts := map[int64]func(){1000: func() { p.Cut() }, 3000: func() { p.Cut() }, 5000: func() {
		go func() {
			defer close(restarted)
			b.Restart(t)
		}()
	}}
	r := newRun(t, connect(t, p.URL()), replay.Spec{}, replay.Options{Progress: func(done int64) {
		for at, f := range cuts {
			if done >= at {
				delete(cuts, at)
				f()
			}
		}
	}})
	if res := do(t, r); res.Replayed != events || len(cuts) > 0 {
		t.Errorf("got %+v, %d cuts not made", res, len(cuts))
	}
	<-restarted
	expectOnce(t, b.sequences(t, "TREBLE_REPLAY", r.Name()), events, false)
}

// TestGiveUp: NATS stays away, so the run fails and can be resumed.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	const events = 3000
	b := startBroker(t)
	b.fill(t, events)
	p := natstest.StartProxy(t, b.URL)
	cut := false
	r := newRun(t, connect(t, p.URL()), replay.Spec{}, replay.Options{GiveUp: 1500 * time.Millisecond, Progress: func(done int64) {
		if done >= 1000 && !cut {
			cut = true
			p.Down()
		}
	}})
	res, err := r.Do(t.Context())
	if !errors.Is(err, replay.ErrGaveUp) || !res.Resumable {
		t.Fatalf("got %+v, %v", res, err)
	}
	c := b.client(t)
	do(t, resume(t, c, r))
	expectOnce(t, b.sequences(t, "TREBLE_REPLAY", r.Name()), events, false)
}

// TestResumeOfALivingRun: a run whose process lives is not taken over.
func TestResumeOfALivingRun(t *testing.T) {
	_, c := startFilled(t, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	once := sync.OnceFunc(func() { close(started) })
	r := newRun(t, c, replay.Spec{}, replay.Options{Rate: 10, Progress: func(int64) { once() }})
	done := make(chan error)
	go func() {
		_, err := r.Do(ctx)
		done <- err
	}()
	<-started
	if _, err := tryResume(t, c, r, replay.Given{}); err == nil || !strings.Contains(err.Error(), "is running, as me@here") {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTakenOver: whoever finds another process's record stops.
func TestTakenOver(t *testing.T) {
	const events = 400
	_, c := startFilled(t, events)
	taken := false
	r := newRun(t, c, replay.Spec{}, replay.Options{Rate: 100})
	r.SetProgress(func(done int64) {
		if done >= 20 && !taken {
			taken = true
			rec, d, _ := record(t, c, r.Name())
			d.Owner = "another"
			rec.Detail = encode(t, d)
			a, _ := audit.Open(t.Context(), c, theStreams)
			if err := a.Put(t.Context(), rec); err != nil {
				t.Error(err)
			}
		}
	})
	res, err := r.Do(t.Context())
	if !errors.Is(err, replay.ErrTaken) || res.Resumable {
		t.Fatalf("got %+v, %v", res, err)
	}
	if _, d, _ := record(t, c, r.Name()); d.Owner != "another" {
		t.Error("the record of the other process was overwritten")
	}
}

// TestPersonIsNowhere: what names a person is on no record, so a run that goes on is
// told again.
func TestPersonIsNowhere(t *testing.T) {
	for _, by := range []struct {
		flag, secret string
		given        replay.Given
	}{
		{"--phone", phoneOf(20), replay.Given{Phone: phoneOf(20)}},
		{"--session", "session-20", replay.Given{Session: "session-20"}},
		{"--conversation", "conversation-20", replay.Given{Conversation: "conversation-20"}},
	} {
		t.Run(by.flag, func(t *testing.T) {
			b, c := startFilled(t, 50)
			b.Stream(t, jetstream.StreamConfig{Name: "FULL", Subjects: []string{"full"}, Discard: jetstream.DiscardNew, MaxMsgSize: 10})
			filter := client.Filter{Phone: by.given.Phone, Session: by.given.Session, Conversation: by.given.Conversation}
			r := newRun(t, c, replay.Spec{Filter: filter, Target: replay.Target{To: replay.ToStream, Subject: "full"}}, replay.Options{})
			_, err := r.Do(t.Context())
			if err == nil {
				t.Fatal("want an error")
			}
			_, _, text := record(t, c, r.Name())
			for _, where := range []string{err.Error(), text, r.Filter(), r.Target()} {
				if strings.Contains(where, by.secret) {
					t.Errorf("it is in %q", where)
				}
			}
			for _, wrong := range []replay.Given{{}, {Phone: "+1", Session: "s", Conversation: "c"}} {
				if _, err := tryResume(t, c, r, wrong); err == nil || !strings.Contains(err.Error(), "--") {
					t.Errorf("resume with %+v: %v", wrong, err)
				}
			}
			again, err := tryResume(t, c, r, by.given)
			if err != nil {
				t.Fatal(err)
			}
			b.Stream(t, jetstream.StreamConfig{Name: "FULL", Subjects: []string{"full"}, Discard: jetstream.DiscardNew, MaxMsgSize: -1})
			if res := do(t, again); res.Replayed != 1 {
				t.Errorf("got %+v", res)
			}
			if got := b.sequences(t, "FULL", r.Name()); len(got) != 1 || got[0] != 20 {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestTargetsAreChecked(t *testing.T) {
	b, c := startFilled(t, 3)
	b.Stream(t, jetstream.StreamConfig{Name: "READS", Subjects: []string{"some.message.>"}})
	kinds := client.Filter{Kinds: []schema.Kind{schema.KindMessageRead}}
	for _, tt := range []struct {
		name string
		s    replay.Spec
		want error
		text string
	}{
		{"own", toSubject("treble.again"), replay.ErrCaptured, "TREBLE"},
		{"own-kind", toSubject("{kind}"), replay.ErrNoStream, ""},
		{"none", toSubject("nobody.{kind}"), replay.ErrNoStream, "nobody."},
		{"not-every-kind", toSubject("some.{kind}"), replay.ErrNoStream, "some.contact.opted_out"},
		{"wildcard", toSubject("a.*"), nil, "without wildcards"},
		{"half-part", toSubject("a.x-{kind}"), nil, "whole part"},
		{"empty-part", toSubject("a..b"), nil, "subject"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := replay.New(t.Context(), c, tt.s, replay.Options{Streams: theStreams})
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v, %q", err, tt.want, tt.text)
			}
		})
	}
	r := newRun(t, c, replay.Spec{Filter: kinds, Target: replay.Target{To: replay.ToStream, Subject: "some.{kind}"}}, replay.Options{})
	if res := do(t, r); res.Replayed != 2 {
		t.Errorf("got %+v", res)
	}
	// With force the end is still the one of the start.
	forced := newRun(t, c, replay.Spec{Force: true, Target: replay.Target{To: replay.ToStream, Subject: "treble.{kind}"}}, replay.Options{})
	if res := do(t, forced); res.Replayed != 3 {
		t.Errorf("got %+v", res)
	}
	if got := b.StreamInfo(t, "TREBLE").State.Msgs; got != 6 {
		t.Errorf("got %d events, want 6", got)
	}
}

func TestStreamMadeAgain(t *testing.T) {
	b, c := startFilled(t, 100)
	for _, stream := range []string{"TREBLE_REPLAY", "TREBLE"} {
		ctx, stop := stopAt(t, 10)
		r := newRun(t, c, replay.Spec{}, replay.Options{Rate: 1000, Progress: stop})
		if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s, _ := b.JS.Stream(t.Context(), stream)
		if err := b.JS.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		b.Stream(t, s.CachedInfo().Config)
		again := resume(t, c, r)
		if _, err := again.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "stream "+stream+" was made again") {
			t.Errorf("%s: got %v", stream, err)
		}
		b.fill(t, 100)
	}
}

func encode(t *testing.T, d replay.Detail) []byte {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
