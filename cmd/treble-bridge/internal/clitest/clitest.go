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

// Exits runs a command line in this process, which has to end with an exit code, and returns what it
// printed.
func Exits(t *testing.T, want int, stdin string, args ...string) (out, errs string) {
	t.Helper()
	code, out, errs := Command(t.Context(), stdin, args...)
	if code != want {
		t.Fatalf("%q: exit %d, want %d\n%s%s", args, code, want, out, errs)
	}
	return out, errs
}

// WrongUsage is a command line without the command's name, and a part of the error.
type WrongUsage = struct{ Name, Args, Want string }

// CheckUsage checks that a command ends with exit code 2 for each line, says why and where to find
// help, and repeats no s3cret.
func CheckUsage(t *testing.T, command, stdin string, lines []WrongUsage) {
	t.Helper()
	for _, l := range lines {
		t.Run(l.Name, func(t *testing.T) {
			out, errs := Exits(t, cli.ExitUsage, stdin, strings.Fields(command+" "+l.Args)...)
			if !strings.Contains(errs, l.Want) || !strings.Contains(errs, "--help") {
				t.Errorf("got %q, want %q and where to find help", errs, l.Want)
			}
			if strings.Contains(out+errs, "s3cret") {
				t.Errorf("a secret is repeated: %s%s", out, errs)
			}
		})
	}
}
