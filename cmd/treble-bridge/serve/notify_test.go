package serve

import (
	"testing"
)

func TestNotifyStatusIsOneLine(t *testing.T) {
	if got := statusLine([]string{"journal: no room\nREADY=1", "NATS is away"}); got != "journal: no room READY=1; NATS is away" {
		t.Errorf("got %q", got)
	}
}
