package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/treble-bridge/treble-bridge/test/bench/load"
	"github.com/treble-bridge/treble-bridge/test/bench/proc"
)

// token is the bearer token of every contestant.
const token = "benchmark-token-0123456789abcdef"

// bench is a run of the benchmarks: a temporary directory, the binaries in
// it, and all processes that it has started.
type bench struct {
	root  string // of the repository
	dir   string
	bin   binaries
	group proc.Group

	bridgeEnv []string // more of the environment of the bridges among the contestants

	others      []float64 // share of the processors that others took, turn by turn
	repeatUntil time.Time // until then, what others disturb is measured again

	event []byte // one of Treble's events, of which the bodies are made
}

// newBench builds what it needs. Close it.
func newBench(ctx context.Context, root, tmp string) (*bench, error) {
	dir, err := os.MkdirTemp(tmp, "treble-bridge-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{root: root, dir: dir}
	if b.event, err = os.ReadFile(filepath.Join(root, "test/testdata/payloads/message-read.json")); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.say("building")
	if b.bin, err = build(ctx, root, dir); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close ends every process that is left and removes the files.
func (b *bench) Close() error {
	b.group.Close()
	return os.RemoveAll(b.dir)
}

func (b *bench) body(size int) (load.Body, error) { return load.NewBody(b.event, size) }

// say writes the progress to standard error.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
