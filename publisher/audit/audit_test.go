package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/audit"
	"github.com/treble-bridge/treble-bridge/publisher/client"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
	"github.com/treble-bridge/treble-bridge/publisher/streams"
)

// spec is that of a bridge, as far as the bucket is concerned.
var spec = streams.Spec{Events: "TREBLE", Prefix: "treble", Replicas: 1}

func connect(t *testing.T, url string) *client.Client {
	t.Helper()
	return clienttest.Open(t, clienttest.Options(url))
}

func TestRecordsAreListedByAction(t *testing.T) {
	n := natstest.Start(t)
	a, err := audit.Open(t.Context(), connect(t, n.URL), spec)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := a.List(t.Context(), ""); err != nil || len(all) > 0 {
		t.Errorf("empty: %v, %v", all, err)
	}
	began := time.Now().UTC().Truncate(time.Second)
	for i, run := range []string{"replay-b", "forget-c", "replay-a", "replay-b"} {
		r := audit.Record{Run: run, Action: strings.Split(run, "-")[0], Began: began.Add(-time.Duration(i) * time.Minute),
			State: audit.Running, Counts: map[string]int64{"events": int64(i)}}
		if err := a.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	again, err := audit.Open(t.Context(), connect(t, n.URL), spec)
	if err != nil {
		t.Fatal(err)
	}
	all, err := again.List(t.Context(), "replay")
	if err != nil || len(all) != 2 || all[0].Run != "replay-b" || all[0].Counts["events"] != 3 || all[1].Run != "replay-a" {
		t.Errorf("got %+v, %v; want the newest record of each replay, the oldest first", all, err)
	}
	r, err := again.Get(t.Context(), "forget-c")
	if err != nil || r.Action != "forget" || r.Updated.Before(began) || !r.Ended.IsZero() {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, run := range []string{"nothing", "not a key"} {
		if _, err := again.Get(t.Context(), run); !errors.Is(err, audit.ErrNoRun) {
			t.Errorf("%q: got %v, want ErrNoRun", run, err)
		}
	}
}

// TestRecordTellsHowARunEnded: the record tells that the run began before anything is done, and how it ended, also if
// it was interrupted.
func TestRecordTellsHowARunEnded(t *testing.T) {
	n := natstest.Start(t)
	b, err := audit.Open(t.Context(), connect(t, n.URL), spec)
	if err != nil {
		t.Fatal(err)
	}
	failure := errors.New("the third body is stuck")
	for _, tt := range []struct {
		name      string
		interrupt bool
		err       error
		state     string
		problem   string
	}{
		{"done", false, nil, audit.Done, ""},
		{"failed", false, failure, audit.Failed, failure.Error()},
		{"stopped", true, context.Canceled, audit.Stopped, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			record := audit.Record{Run: "run-" + tt.name, Action: "forget", Who: "me@here"}
			err := b.Do(ctx, &record, func(r *audit.Record) error {
				if got, err := b.Get(ctx, r.Run); err != nil || got.State != audit.Running || !got.Ended.IsZero() {
					t.Errorf("while it runs: %+v, %v", got, err)
				}
				if tt.interrupt {
					interrupt()
				}
				r.Counts = map[string]int64{"dropped": 2}
				return tt.err
			})
			if !errors.Is(err, tt.err) {
				t.Errorf("Do = %v, want %v", err, tt.err)
			}
			got, err := b.Get(t.Context(), record.Run)
			if err != nil || got.State != tt.state || got.Problem != tt.problem || got.Counts["dropped"] != 2 || got.Ended.Before(got.Began) {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
		})
	}
	n.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err = b.Do(ctx, &audit.Record{Run: "run-away"}, func(*audit.Record) error {
		t.Error("something is done without a record")
		return nil
	})
	if err == nil {
		t.Error("no error without a record")
	}
}

func TestNewRunNamesItsActionAndIsNoOther(t *testing.T) {
	first, second := audit.NewRun("replay"), audit.NewRun("replay")
	if first == second || !strings.HasPrefix(first, "replay-") || len(first) < len("replay-")+10 {
		t.Errorf("got %s and %s", first, second)
	}
}
