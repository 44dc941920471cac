// Command treble-bridge receives the webhooks of Treble and publishes them to
// NATS JetStream. See "treble-bridge --help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a container FROM scratch has no zone data of its own

	_ "golang.org/x/crypto/x509roots/fallback" // nor certificate authorities; where a system has some, those count

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
)

func main() {
	ctx, stop := untilSignal()
	code := run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP (the
// terminal was closed) ends. The second one ends the process at once.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(cli.ExitFailed)
	}()
	return ctx, cancel
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, streams cli.Streams) int {
	return cli.Run(ctx, newRoot(streams), args)
}
