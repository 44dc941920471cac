package consumers

import (
	"strings"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/publisher/client"
)

func TestNotesOfAConsumer(t *testing.T) {
	now := time.Now()
	behind := client.ConsumerState{Name: "c", Pending: 5, Asked: now}
	for _, tt := range []struct {
		name   string
		change func(*client.ConsumerState)
		want   string
	}{
		{"nobody-reads", func(*client.ConsumerState) {}, "nobody asks"},
		{"reads", func(s *client.ConsumerState) { s.Waiting = 1 }, ""},
		{"between-two-requests", func(s *client.ConsumerState) { s.Delivered.At = now.Add(-time.Second) }, ""},
		{"nothing-to-read", func(s *client.ConsumerState) { s.Pending = 0 }, ""},
		{"push-unbound", func(s *client.ConsumerState) { s.Push = true }, "nobody is subscribed"},
		{"push-bound", func(s *client.ConsumerState) { s.Push, s.Bound = true, true }, ""},
		{"paused", func(s *client.ConsumerState) { s.Paused = true }, "paused"},
		{"full", func(s *client.ConsumerState) { s.Full, s.AckPending = true, 7 }, "some of the 7"},
		{"redelivered", func(s *client.ConsumerState) { s.Waiting, s.Redelivered = 1, 2 }, "2 messages were given more than once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := behind
			tt.change(&s)
			got := strings.Join(notes(s), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
