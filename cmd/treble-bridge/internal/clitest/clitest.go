// Package clitest runs the commands of the program for tests: in this process, or as a process of
// its own, against a bridge of either kind.
package clitest

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/internal/cli"
	"github.com/treble-bridge/treble-bridge/cmd/treble-bridge/serve"
	"github.com/treble-bridge/treble-bridge/publisher/natstest"
)

// AsMain makes the test binary behave as the program, so that signals and exit
// codes can be tested on a process of its own.
const AsMain = "RUN_AS_TREBLE_BRIDGE"

// tree returns the commands that the tests of this binary run; Main sets it.
var tree func(cli.Streams) *cobra.Command

// Main runs the tests of a package with a program of these commands, of which serve is one.
// TestMain calls it.
func Main(m *testing.M, commands ...func(cli.Streams) *cobra.Command) {
	MainOf(m, func(streams cli.Streams) *cobra.Command {
		root := &cobra.Command{Use: "treble-bridge"}
		cli.PrepareRoot(root, streams)
		root.AddCommand(serve.New(streams, "test"))
		for _, command := range commands {
			root.AddCommand(command(streams))
		}
		return root
	}, func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	})
}

// MainOf is Main for the program itself: its tree of commands, and its main function.
func MainOf(m *testing.M, root func(cli.Streams) *cobra.Command, main func()) {
	tree = root
	if os.Getenv(AsMain) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Command runs a command line in this process.
func Command(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs natstest.LogBuffer
	code = Run(ctx, args, cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

// Run runs a command line in this process, with streams that the test keeps, and returns the exit
// code.
func Run(ctx context.Context, args []string, streams cli.Streams) int {
	return cli.Run(ctx, tree(streams), args)
}
