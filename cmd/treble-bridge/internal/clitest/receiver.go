package clitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Receiver records what is posted, and answers with a status.
type Receiver struct {
	*httptest.Server
	mu      sync.Mutex
	Bodies  map[string]int // how often each came
	Headers []http.Header
	busy    atomic.Int32
	Most    atomic.Int32 // requests at the same time
}

// NewReceiver starts one; status says how the n-th request is answered.
func NewReceiver(t *testing.T, status func(n int) int) *Receiver {
	t.Helper()
	t.Setenv("TREBLE_BRIDGE_DATA_DIR", t.TempDir())
	r := &Receiver{Bodies: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if n := r.busy.Add(1); n > r.Most.Load() {
			r.Most.Store(n)
		}
		defer r.busy.Add(-1)
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.Bodies[string(body)]++
		r.Headers = append(r.Headers, req.Header)
		n := len(r.Headers)
		r.mu.Unlock()
		w.WriteHeader(status(n))
		_, _ = io.WriteString(w, "answer \x1b[2J")
	}))
	t.Cleanup(r.Close)
	return r
}

// Always answers every request with the same status.
func Always(status int) func(int) int { return func(int) int { return status } }
