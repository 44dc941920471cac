package embedded

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestServerLogFailures: who has no token cannot fill the log, and hides no other error.
func TestServerLogFailures(t *testing.T) {
	core, lines := observer.New(zapcore.DebugLevel)
	log := &serverLog{log: zap.New(core)}
	for i := range 1000 {
		log.Errorf("127.0.0.1:%d - cid:%d - authentication error", i, i)
	}
	log.Errorf("JetStream failed to store a msg")
	if n := lines.FilterMessageSnippet("authentication error").Len(); n == 0 || n > 10 {
		t.Errorf("%d lines for 1000 clients without the token, want one a second", n)
	}
	if lines.FilterMessage("JetStream failed to store a msg").Len() != 1 {
		t.Error("another error is not logged")
	}
}
