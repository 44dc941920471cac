// Command treble-bridge receives the webhooks of Treble and publishes them to
// NATS JetStream. See "treble-bridge --help".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	_ "time/tzdata" // a container FROM scratch has no zone data of its own

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // nor certificate authorities; where a system has some, those count
)

// The exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := untilSignal()
	code := run(ctx, os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP (the
// terminal was closed) ends. The second one ends the process at once: somebody does not want to wait.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailed)
	}()
	return ctx, cancel
}

// stdio is what a command reads from and writes to.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a command line that is wrong, as opposed to a command that
// failed.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, streams stdio) int {
	return execute(ctx, newRoot(streams), args)
}

// execute runs a tree of commands and returns the exit code. It prints an error,
// once, to standard error.
func execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	var usage usageError
	// What goes wrong before a command is started is the command line.
	wrongUsage := !started || errors.As(err, &usage)
	fmt.Fprintf(root.ErrOrStderr(), "treble-bridge: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if wrongUsage {
		fmt.Fprintf(root.ErrOrStderr(), "See %q.\n", cmd.CommandPath()+" --help")
		return exitUsage
	}
	return exitFailed
}
