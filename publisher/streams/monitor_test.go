package streams

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// TestProblemIsLoggedWhenItChanges: why the streams could not be checked is logged when it changes.
func TestProblemIsLoggedWhenItChanges(t *testing.T) {
	log, logs := natstest.Log(zap.WarnLevel)
	m := NewMonitor(nil, theSpec(), 0, nil, log, nil)
	for _, why := range []string{"a", "a", "b", "", "", "b"} {
		var problem error
		if why != "" {
			problem = errors.New(why)
		}
		m.report(nil, problem)
	}
	var got []string
	for _, e := range logs.All() {
		got = append(got, fmt.Sprint(e.ContextMap()["error"]))
	}
	if want := []string{"a", "b", "b"}; !slices.Equal(got, want) {
		t.Errorf("logged %v, want %v", got, want)
	}
}
