package containers

import (
	"context"
	"errors"
	"testing"
	"time"
)

var (
	errStillRunning = errors.New("still running")
	errEnded        = errors.New("it has ended") // there is nothing to wait for
)

// await tries until try returns nil. After the timeout, or at once if the
// container has ended, it ends the test with the last error. One try may take up to 5 s.
func await(t *testing.T, timeout time.Duration, what string, try func(context.Context) error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := try(ctx)
		cancel()
		if err == nil {
			return
		}
		switch {
		case errors.Is(err, errEnded):
			t.Fatalf("waiting until %s: %v", what, err)
		case time.Now().After(deadline):
			t.Fatalf("waiting until %s: not within %v: %v", what, timeout, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting until %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
