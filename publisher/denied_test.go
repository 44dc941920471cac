package publisher_test

import (
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestDenialsAreSaidOnce: what NATS does not permit has one line in the log for each reason, however
// often it is tried, and /readyz names the subject instead of a timeout.
func TestDenialsAreSaidOnce(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t, natstest.User("u", natstest.MayNotPublish("$JS.API.STREAM.INFO.TREBLE", "$JS.API.STREAM.INFO.TREBLE_QUARANTINE")))
	o := withJournal(t, n.URL)
	o.NATS.User, o.NATS.Password = "u", "u"
	log, logs := natstest.Log(zap.DebugLevel)
	o.Log = log
	p := open(t, o)
	said := logs.FilterMessage("nats error")
	natstest.Eventually(t, "it is tried again", func() bool {
		said = logs.FilterMessage("nats error")
		return said.FilterLevelExact(zap.DebugLevel).Len() >= 2
	})
	seen := map[string]int{}
	for _, e := range said.FilterLevelExact(zap.WarnLevel).All() {
		reason := e.ContextMap()["error"].(string)
		if seen[reason]++; seen[reason] == 2 {
			t.Errorf("said twice: %s", reason)
		}
	}
	if len(seen) != 2 {
		t.Errorf("want one line for each of two subjects, got %v", seen)
	}
	want := "NATS does not permit this user to publish to $JS.API.STREAM.INFO.TREBLE"
	natstest.Eventually(t, "the status names the subject", func() bool {
		reasons := strings.Join(reasonsOf(p.Status()), "\n")
		return strings.Contains(reasons, "look at stream TREBLE: "+want) && strings.Contains(reasons, "new events wait in the journal: ") && !strings.Contains(reasons, "deadline")
	})
}
