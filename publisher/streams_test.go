package publisher_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// poor is a stream that falls short in all that can be raised on one node.
func poor() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{"treble.message.>"}, Storage: jetstream.FileStorage,
		MaxAge: time.Hour, MaxBytes: 1 << 20, MaxMsgs: 1000, MaxMsgSize: 1000, Duplicates: time.Second, NoAck: true,
		Description: "mine", Discard: jetstream.DiscardNew,
	}
}

func TestStreamModes(t *testing.T) {
	shared := poor()
	shared.Subjects = []string{"treble.>", "mine.>"}
	tests := []struct {
		name     string
		mode     string
		existing *jetstream.StreamConfig
		ready    bool
		degraded bool
		check    func(t *testing.T, got *jetstream.StreamConfig)
	}{
		{name: "create-missing", mode: streams.Create, ready: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got == nil || got.Storage != jetstream.FileStorage || !slices.Equal(got.Subjects, []string{"treble.>"}) ||
				got.Duplicates != 10*time.Minute || got.MaxAge != 720*time.Hour || got.Discard != jetstream.DiscardNew || !got.AllowDirect {
				t.Errorf("stream = %+v", got)
			}
		}},
		{name: "check-missing", mode: streams.Check, degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got != nil {
				t.Errorf("stream made: %+v", got)
			}
		}},
		{name: "create-existing", mode: streams.Create, existing: new(poor()), degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got.MaxAge != time.Hour || !got.NoAck {
				t.Errorf("stream changed: %+v", got)
			}
		}},
		{name: "apply-existing", mode: streams.Apply, existing: new(poor()), ready: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if got.MaxAge != 720*time.Hour || got.MaxBytes != -1 || got.MaxMsgs != -1 || got.MaxMsgSize != -1 || got.NoAck || got.Duplicates != 10*time.Minute {
				t.Errorf("stream not extended: %+v", got)
			}
			if !slices.Equal(got.Subjects, []string{"treble.>"}) || got.Description != "mine" {
				t.Errorf("the user's own is gone: %+v", got)
			}
		}},
		{name: "apply-shared", mode: streams.Apply, existing: &shared, degraded: true, check: func(t *testing.T, got *jetstream.StreamConfig) {
			if !slices.Equal(got.Subjects, shared.Subjects) || got.MaxAge != time.Hour || got.MaxMsgs != 1000 || got.Duplicates != time.Second || !got.NoAck {
				t.Errorf("a stream that is not ours alone is changed: %+v", got)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := natstest.Start(t)
			if tt.existing != nil {
				n.Stream(t, *tt.existing)
			}
			o := options(t, n.URL)
			o.Config.Streams = tt.mode
			p := open(t, o)
			if s := p.Status(); s.Ready != tt.ready || s.Degraded != tt.degraded {
				t.Errorf("Status = %+v, want ready %v, degraded %v", s, tt.ready, tt.degraded)
			}
			var got *jetstream.StreamConfig
			if s, err := n.JS.Stream(t.Context(), "TREBLE"); err == nil {
				got = &s.CachedInfo().Config
			}
			tt.check(t, got)
		})
	}
}

// apply leaves alone what is more generous than configured.
func TestApplyNeverShrinks(t *testing.T) {
	n := natstest.Start(t)
	before := n.Stream(t, jetstream.StreamConfig{
		Name: "TREBLE", Subjects: []string{"treble.>", "mine.>"}, Storage: jetstream.FileStorage, Duplicates: time.Hour,
		AllowDirect: true, AllowAtomicPublish: true, AllowBatchPublish: true,
	}).CachedInfo().Config
	o := options(t, n.URL)
	o.Config.Streams, o.Config.MaxBytes, o.Config.MaxAge = streams.Apply, 1<<20, time.Hour
	p := open(t, o)
	after := n.StreamInfo(t, "TREBLE").Config
	if after.MaxAge != before.MaxAge || after.MaxBytes != before.MaxBytes || after.Duplicates != before.Duplicates || !slices.Equal(after.Subjects, before.Subjects) {
		t.Errorf("stream = %+v, was %+v", after, before)
	}
	if f := p.Findings(); len(f) != 0 {
		t.Errorf("findings = %v, want none", f)
	}
}

// A stream deleted while the bridge runs is made again, soon after the first
// publish that misses it; that publish is refused.
func TestDeletedStreamIsMadeAgain(t *testing.T) {
	n := natstest.Start(t)
	p := open(t, options(t, n.URL))
	if err := n.JS.DeleteStream(t.Context(), "TREBLE"); err != nil {
		t.Fatal(err)
	}
	if err := p.Accept(t.Context(), deliveryOf("missed")); err == nil {
		t.Fatal("Accept without a stream = nil")
	}
	natstest.Eventually(t, "accepted again", func() bool { return p.Accept(t.Context(), deliveryOf("next")) == nil })
	n.WantIDs(t, "TREBLE", "next")
}

// What changes at runtime is found by the periodic look, and is logged once.
func TestFindingsFollowTheStream(t *testing.T) {
	n := natstest.Start(t)
	var log natstest.LogBuffer
	o := options(t, n.URL)
	o.Log = log.Logger()
	o = o.WithCheckEvery(50 * time.Millisecond)
	p := open(t, o)
	if !well(p) {
		t.Fatalf("Status = %+v, want ready", p.Status())
	}
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 })
	natstest.Eventually(t, "degraded", func() bool { return p.Status().Degraded })
	wantMetric(t, o.Metrics, 1, "treble_bridge_stream_findings", string(streams.Weak))
	n.EditStream(t, "TREBLE", func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
	natstest.Eventually(t, "mended", func() bool { return !p.Status().Degraded })
	if got := strings.Count(log.String(), "stream is not as it should be"); got != 1 {
		t.Errorf("logged %d times, want once", got)
	}
}

// TestReasonIsOneLine: a reason is read as one line, and its fix is apart for who pastes it.
func TestReasonIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		r    publisher.Reason
		want string
	}{
		{publisher.Reason{Text: "shutting down"}, "shutting down"},
		{publisher.Reason{Text: "stream X: too small", Fix: "nats stream edit X", FixIn: streams.InShell}, "stream X: too small; fix: nats stream edit X"},
		{publisher.Reason{Text: "stream X: taken", Fix: "A=b", FixIn: streams.InEnv}, "stream X: taken; fix, in the environment: A=b"},
		{publisher.Reason{Text: "the journal is full", See: "treble-bridge journal status"}, "the journal is full; see treble-bridge journal status"},
	} {
		if got := tt.r.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	n := natstest.Start(t)
	n.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}, MaxMsgs: 10})
	p := open(t, options(t, n.URL))
	for _, f := range p.Findings() {
		if !slices.ContainsFunc(p.Status().Reasons, func(r publisher.Reason) bool { return r.Fix == f.Fix && r.FixIn == f.FixIn && r.String() == f.String() }) {
			t.Errorf("%v is no reason of %+v", f, p.Status())
		}
	}
	if len(p.Findings()) == 0 {
		t.Error("no findings")
	}
}
