package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// ErrEnded is the error of a try when that for which it waits will not come any more.
var ErrEnded = errors.New("it has ended")

// tryLimit bounds one try.
const tryLimit = 5 * time.Second

// Await tries until try returns nil. It ends the test with the last error if that takes longer than the
// limit, or at once if the error is [ErrEnded]. The context of a try ends after a few seconds.
func Await(t *testing.T, limit time.Duration, what string, try func(context.Context) error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; {
		ctx, cancel := context.WithTimeout(t.Context(), tryLimit)
		err := try(ctx)
		cancel()
		switch {
		case err == nil:
			return
		case errors.Is(err, ErrEnded):
			t.Fatalf("waiting until %s: %v", what, err)
		case time.Now().After(deadline):
			t.Fatalf("waiting until %s: not within %v: %v", what, limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting until %s: %v", what, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// AwaitTrue is Await for a condition that has no more to say than that it does not hold.
func AwaitTrue(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	Await(t, limit, what, func(context.Context) error {
		if !holds() {
			return errors.New("it is not so")
		}
		return nil
	})
}

// AtLeast returns a try that fails as long as count returns less.
func AtLeast(least int, count func() int) func(context.Context) error {
	return func(context.Context) error {
		if n := count(); n < least {
			return fmt.Errorf("got %d, want %d or more", n, least)
		}
		return nil
	}
}

// Exactly returns a try that fails as long as count returns another number.
func Exactly(want int, count func() int) func(context.Context) error {
	return func(context.Context) error {
		if n := count(); n != want {
			return fmt.Errorf("got %d, want %d", n, want)
		}
		return nil
	}
}

// ExpectStatus returns an error unless a GET is answered with the status.
func ExpectStatus(ctx context.Context, url string, want int) error {
	r, err := Get(ctx, url)
	if err == nil && r.Status != want {
		err = fmt.Errorf("GET %s: got %d %s, want %d", url, r.Status, r.Body, want)
	}
	return err
}

// Get asks for a URL.
func Get(ctx context.Context, url string) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Reply{}, err
	}
	return do(req)
}
