package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
)

// asMain makes the test binary behave as the program, so that signals and exit
// codes can be tested on a process of its own.
const asMain = "RUN_AS_TREBLE_BRIDGE"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// buffer is a bytes.Buffer for a command that is still writing.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command runs a command line in this process.
func command(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs buffer
	code = runWith(ctx, args, cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

// runWith runs a command line in this process, with streams that the test keeps.
func runWith(ctx context.Context, args []string, streams cli.Streams) int { return run(ctx, args, streams) }

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true in time: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
