package quota_test

import (
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/config/value"
	"github.com/treble-bridge/treble-bridge/ingress/quota"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestQuotaHoldsTheAverage: the average holds, one request is never too much, and what waits is told for how long.
func TestQuotaHoldsTheAverage(t *testing.T) {
	q := quota.New(quota.Limits{EventsPerSecond: 10, BytesPerSecond: 100}, false, 50, 1000)
	if wait, ok := q.Events(50, start); !ok {
		t.Errorf("one request with all that it may have: wait %s", wait)
	}
	if wait, ok := q.Events(5, start); ok || wait != 500*time.Millisecond {
		t.Errorf("got %t after %s, want a wait of 500ms", ok, wait)
	}
	if _, ok := q.Events(5, start.Add(499*time.Millisecond)); ok {
		t.Error("it is let in too early")
	}
	if _, ok := q.Events(5, start.Add(500*time.Millisecond)); !ok {
		t.Error("what was refused was counted")
	}
	if _, ok := q.Bytes(1000, start); !ok {
		t.Error("events and bytes are counted together")
	}
	if _, ok := q.Events(0, start); !ok {
		t.Error("no event is refused for being none")
	}
}

func TestWithoutLimitsNothingIsRefused(t *testing.T) {
	q := quota.New(quota.Limits{}, false, 1, 1)
	for range 1000 {
		if _, ok := q.Events(1000, start); !ok {
			t.Fatal("there is no limit")
		}
	}
}

func TestShareOfTheJournal(t *testing.T) {
	for _, tt := range []struct {
		share   int
		several bool
		want    float64
	}{{0, false, 1}, {0, true, .75}, {30, false, .3}, {100, true, 1}} {
		if got := quota.New(quota.Limits{Share: tt.share}, tt.several, 1, 1).Share(); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

// TestGoOnKeepsWhatWasCounted: a configuration that is read again does not give a source its burst once more, unless the limits are others.
func TestGoOnKeepsWhatWasCounted(t *testing.T) {
	limits := quota.Limits{EventsPerSecond: 1}
	before := quota.New(limits, false, 10, 1)
	before.Events(10, start)
	same := quota.New(limits, true, 10, 1)
	same.GoOn(before)
	if _, ok := same.Events(1, start); ok {
		t.Error("the same limits began anew")
	}
	other := quota.New(quota.Limits{EventsPerSecond: 2}, false, 10, 1)
	other.GoOn(before)
	if _, ok := other.Events(1, start); !ok {
		t.Error("other limits took over what the old ones counted")
	}
}

func TestValidate(t *testing.T) {
	if err := (quota.Limits{EventsPerSecond: 1, BytesPerSecond: value.MiB, Share: 100}).Validate("limits"); err != nil {
		t.Error(err)
	}
	err := quota.Limits{EventsPerSecond: -1, BytesPerSecond: -1, Share: 101}.Validate("limits")
	for _, key := range []string{"limits.events_per_second", "limits.bytes_per_second", "limits.share"} {
		if err == nil || !strings.Contains(err.Error(), key+": ") {
			t.Errorf("got %v, want a problem of %s", err, key)
		}
	}
}
