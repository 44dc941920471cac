package publisher_test

import (
	"testing"

	"github.com/treble-bridge/treble-bridge/publisher"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestPendingUnderAnotherPrefix: what waits in a journal is published under the prefix of today, not
// under the one that it was accepted with.
func TestPendingUnderAnotherPrefix(t *testing.T) {
	n := natstest.Start(t)
	px := natstest.StartProxy(t, n.URL)
	px.Down()
	o := options(t, px.URL())
	o.Config.Ack, o.Config.SubjectPrefix = publisher.AckJournal, "before"
	p := open(t, o)
	wantAnswer(t, p, deliveryOf("event"), nil)
	wantAnswer(t, p, natstest.Rejected("body"), nil)
	o.Config.SubjectPrefix = "after"
	reopen(t, p, o)
	px.Up()
	for stream, want := range map[string]string{"TREBLE": "after.message.read", "TREBLE_QUARANTINE": "after-quarantine.not-json"} {
		n.AwaitMessages(t, stream, 1)
		if got := n.Messages(t, stream)[0].Subject; got != want {
			t.Errorf("stream %s: got subject %s, want %s", stream, got, want)
		}
	}
}
