package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/client/clienttest"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

func TestSkew(t *testing.T) {
	now := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		name      string
		roundTrip time.Duration
		theirs    time.Duration // behind our question
		want      Status
		detail    string
	}{
		{"same", time.Millisecond, 0, Pass, "agree"},
		{"within-the-round-trip", 10 * time.Second, 9 * time.Second, Pass, "agree"},
		{"noticed-behind", time.Second, -3 * time.Second, Warn, "at least 3s behind"},
		{"noticed-ahead", time.Second, 4 * time.Second, Warn, "at least 3s ahead of"},
		{"wrong", time.Second, -time.Hour, Fail, "at least 1h0m0s behind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := skew(now, now.Add(c.roundTrip), now.Add(c.theirs))
			if got.Status != c.want || !strings.Contains(got.Detail, c.detail) || (got.Status != Pass) != strings.HasPrefix(got.Fix, "timedatectl set-ntp true") {
				t.Errorf("got %+v, want %s, %s", got, c.want, c.detail)
			}
		})
	}
}

// The server tells its time with a stream, and without one.
func TestClockOfAServer(t *testing.T) {
	s := natstest.Start(t)
	o := Options{
		Client:  clienttest.Options(s.URL),
		Streams: publisher.DefaultConfig().Spec(""),
		DataDir: t.TempDir(), Timeout: 5 * time.Second, MaxBody: 1 << 10,
	}
	ask := func(now func() time.Time) Check {
		t.Helper()
		o := o
		o.now = now
		se, c := Connect(t.Context(), o)
		if se == nil {
			t.Fatal(c)
		}
		defer se.Close()
		for _, c := range se.Examine(t.Context()) {
			if c.Name == "clock" {
				return c
			}
		}
		t.Fatal("the clock is not looked at")
		return Check{}
	}
	late := func() time.Time { return time.Now().Add(time.Hour) }
	for _, with := range []string{"no stream", "a stream"} {
		if c := ask(nil); c.Status != Pass {
			t.Errorf("with %s: %+v", with, c)
		}
		if c := ask(late); c.Status != Fail {
			t.Errorf("with %s, an hour late: %+v", with, c)
		}
		s.Stream(t, jetstream.StreamConfig{Name: "TREBLE", Subjects: []string{"treble.>"}})
	}
}
